import { describe, expect, test } from "bun:test";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import { strategiesOfEachTest } from "./strategies-of-each-test.fixture.ts";
import { barOf, bodyOf, instanceOptionsOf, show } from "./thread-host.fixture.ts";

const at = strategiesOfEachTest();

describe("a change of what all strategies of a thread share", () => {
  const plain = "so that nothing else throws";
  test.each([
    ["Object.prototype", "(Object.prototype as any).toJSON = () => 1; throw new Error('on purpose')"],
    ["Array.prototype.map", "Array.prototype.map = (() => []) as any; throw new Error('on purpose')"],
    ["JSON.stringify", "JSON.stringify = (() => '') as any; throw new Error('on purpose')"],
    ["Array.prototype.map", `delete (Array.prototype as any).map; // ${plain}`],
    ["Array.prototype", `(Array.prototype as any).last = () => 1; // ${plain}`],
    ["globalThis.Map", `(globalThis as any).Map = class {}; // ${plain}`],
    ["Math.max", `Math.max = () => 1; // ${plain}`],
    ["Date.prototype.getTime", `Date.prototype.getTime = () => 1; // ${plain}`],
  ])("(%s) faults who made it, with its name; the others begin anew in a sound thread", async (name, code) => {
    await at.folder.write("bad", bodyOf(`${code}\n`));
    await at.folder.write("late", bodyOf("context.wantLong()", "JSON.stringify([bar].map(() => 1))"), {
      before: "const bar = 1;",
    });
    const [good, bad] = [await at.host.open(instanceOptionsOf("good")), await at.host.open(instanceOptionsOf("bad"))];
    const told = `The strategy changed ${name}, which all strategies of its thread share; its thread was ended.`;
    expect(await failureOf(show(bad, barOf(1)))).toBe(`STRATEGY_FAILED: ${told}`);
    expect(await failureOf(show(good, barOf(1)))).toBe(`THREAD_ENDED: ${told}`);
    const late = await at.host.open(instanceOptionsOf("late"));
    expect((await show(late, barOf(1))).snapshot?.strategy).toBe("[1]");
  });

  test("made as a file is loaded leaves that file out, and no other", async () => {
    await at.folder.write("bad", bodyOf(""), { before: "(Array.prototype as any).last = () => 1;" });
    await at.folder.write("aaa", bodyOf(""));
    expect(await failureOf(at.host.open(instanceOptionsOf("bad")))).toContain(
      "bad.ts cannot be loaded: The strategy changed Array.prototype, which all strategies of its thread share",
    );
    expect(at.host.list().map(({ name }) => name)).toEqual(["aaa", "good"]);
  });
});

describe("a variable outside of create", () => {
  const refused = (name: string) =>
    `"${name}" is a variable outside of create(), which all sessions of a thread would share: keep what changes within create(), so that each session has its own, and declare the rest with const.`;

  test.each([
    ["calls", "let calls = 0;"],
    ["calls", "export let calls: number | null = null;"],
    ["calls", "var calls;"],
    ["calls", "/* a */ let\n calls = 1, other = 2;"],
    ["one", "let { one, two: [three] } = { one: 1, two: [2] };"],
    ["three", "const one = 1; let { one: three, ...rest } = { one };"],
    ["late", "if (Number(1) > 0) { var late = 1; }"],
    ["$x", "const text = `\nlet no = 1;`; let $x = text;"],
  ])("is refused by its name before the file is loaded: %s", async (name, before) => {
    await at.folder.write("bad", bodyOf(""), { before });
    expect(await failureOf(at.host.open(instanceOptionsOf("bad")))).toContain(
      `bad.ts cannot be loaded: bad.ts: ${refused(name)}`,
    );
  });

  test("of a file beside it is refused as well", async () => {
    await at.folder.writeFile("own.ts", "let calls = 0; export const next = () => (calls += 1);");
    await at.folder.write("bad", bodyOf("next()"), { before: 'import { next } from "./own.ts";' });
    expect(await failureOf(at.host.open(instanceOptionsOf("bad")))).toContain(`own.ts: ${refused("calls")}`);
  });

  test("is none where it only looks like one", async () => {
    await at.folder.write("fine", bodyOf("let own = 1; own += Side.Long;"), {
      before: `enum Side { Short, Long }
export enum Kind { A = "a" }
declare let known: number;
const sum = () => { let all = 0; for (let i = 0; i < 3; i += 1) all += i; return all; };
for (let i = 0; i < 2; i += 1) { let inner = i; inner += sum(); }
export const text = \`
let sum = 1;
var nothing = \${sum()};
let { nothing: sum } = {};\`;
class Counter { let = 1; }
export const counted = new Counter(), letters = "let x = 1";`,
    });
    expect(await failureOf(at.host.open(instanceOptionsOf("fine")))).toBe("nothing");
  });
});

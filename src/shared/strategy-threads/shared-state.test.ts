import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { StrategyHost } from "./strategy-host.ts";
import {
  barOf,
  bodyOf,
  failureOf,
  type StrategyFolder,
  seatingOf,
  show,
  strategyFolder,
  threadHostOf,
} from "./thread-host.fixture.ts";

let folder: StrategyFolder;
let host: StrategyHost;

beforeEach(async () => {
  folder = await strategyFolder();
  await folder.write("good", bodyOf("context.wantLong()"));
  host = threadHostOf([folder.path]);
});
afterEach(async () => {
  await host.close();
  await folder.remove();
});

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
    await folder.write("bad", bodyOf(`${code}\n`));
    await folder.write("late", bodyOf("context.wantLong()", "JSON.stringify([bar].map(() => 1))"), {
      before: "let bar = 1;",
    });
    const [good, bad] = [await host.open(seatingOf("good")), await host.open(seatingOf("bad"))];
    const told = `The strategy changed ${name}, which all strategies of its thread share; its thread was ended.`;
    expect(await failureOf(show(bad, barOf(1)))).toBe(`STRATEGY_FAILED: ${told}`);
    expect(await failureOf(show(good, barOf(1)))).toBe(`THREAD_ENDED: ${told}`);
    const late = await host.open(seatingOf("late"));
    expect((await show(late, barOf(1))).snapshot?.strategy).toBe("[1]");
  });

  test("made as a file is loaded leaves that file out, and no other", async () => {
    await folder.write("bad", bodyOf(""), { before: "(Array.prototype as any).last = () => 1;" });
    await folder.write("aaa", bodyOf(""));
    expect(await failureOf(host.open(seatingOf("bad")))).toContain(
      "The strategy changed Array.prototype, which all strategies of its thread share",
    );
    expect(host.list().map(({ name }) => name)).toEqual(["aaa", "good"]);
  });
});

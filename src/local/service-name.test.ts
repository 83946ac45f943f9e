import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TYPESCRIPT_WORDS } from "./reserved-words.ts";
import { ROOT } from "./root.ts";
import { formsOf, nameRefusal, type TakenNames } from "./service-name.ts";

const TAKEN: TakenNames = {
  services: ["backtest", "dead-notes"],
  folders: ["backtest", "half-made"],
  commands: ["all", "check", "up", "tsc"],
  schemas: ["queue", "dead", "r3_migrations"],
  imported: ["scaling", "createLeader"],
};
const KEBAB = "is not in kebab-case (small letters and digits, a letter first, single hyphens between words)";

describe("the name of a service", () => {
  test("has a form for each place", () => {
    expect(formsOf("order-notes-2b")).toEqual({
      kebab: "order-notes-2b",
      snake: "order_notes_2b",
      camel: "orderNotes2b",
      pascal: "OrderNotes2b",
      upper: "ORDER_NOTES_2B",
    });
  });

  test.each(["demo-service", "x", "a1-2", "orders", "leaders", "queue-watch", "template-two", "a".repeat(30)])(
    "%s is taken",
    (name) => expect(nameRefusal(name, TAKEN)).toBeNull(),
  );

  test.each([
    ["DemoService", `"DemoService" ${KEBAB}: choose demo-service.`],
    ["demo_service", `"demo_service" ${KEBAB}: choose demo-service.`],
    ["RESTWatch 2", `"RESTWatch 2" ${KEBAB}: choose rest-watch-2.`],
    ["-demo--service-", `"-demo--service-" ${KEBAB}: choose demo-service.`],
    ["../demo", `"../demo" ${KEBAB}: choose demo.`],
    ["9lives", `"9lives" ${KEBAB}: choose a name such as order-notes.`],
    ["Order", `"Order" ${KEBAB}: choose a name such as order-notes.`],
    ["", `"" ${KEBAB}: choose a name such as order-notes.`],
    [
      "a".repeat(31),
      `"${"a".repeat(31)}" has 31 characters; the name of a service has at most 30: choose a shorter one.`,
    ],
    ["backtest", 'There is a service "backtest" already: choose another name.'],
    ["half-made", "There is a folder src/services/half-made already: remove it first, or choose another name."],
    ["check", '"check" is a command of this repository already: choose another name.'],
    ["all", '"all" is a command of this repository already: choose another name.'],
    ["postgres", '"postgres" is a program that bin/up starts already: choose another name.'],
    [
      "precheck",
      '"precheck" is the name of a script that package managers run by themselves: choose a longer name, such as precheck-notes.',
    ],
    [
      "postinstall",
      '"postinstall" is the name of a script that package managers run by themselves: choose a longer name, such as postinstall-notes.',
    ],
    ["queue", '"queue" is the schema of tables that no service owns: choose a longer name, such as queue-notes.'],
    ["dead", '"dead" is the schema of tables that no service owns: choose another name.'],
    [
      "r3-migrations",
      '"r3-migrations" is the schema of tables that no service owns: choose a longer name, such as r3-migrations-notes.',
    ],
    ["pg-watch", '"pg-watch" begins with pg, as only schemas of Postgres do: choose another name.'],
    ["order", '"order" is a word that SQL keeps for itself: choose a longer name, such as order-notes.'],
    [
      "current-user",
      '"current-user" is a word that SQL keeps for itself: choose a longer name, such as current-user-notes.',
    ],
    ["delete", '"delete" is a word that TypeScript keeps for itself: choose a longer name, such as delete-notes.'],
    [
      "scaling",
      '"scaling" would give the code of the service a second scaling: choose a longer name, such as scaling-notes.',
    ],
    [
      "leader",
      '"leader" would give the code of the service a second createLeader: choose a longer name, such as leader-notes.',
    ],
  ])("%p is refused in a sentence", (name, says) => expect(nameRefusal(name, TAKEN)).toBe(says));
});

/** Every word with a meaning in TypeScript, reserved or not. */
const KEYWORDS = `
  abstract accessor any arguments as asserts assert async await bigint boolean break case catch class const constructor
  continue debugger declare default defer delete do else enum eval export extends false finally for from function get
  global if implements import in infer instanceof interface intrinsic is keyof let module namespace never new null
  number object of out override package private protected public readonly require return satisfies set static string
  super switch symbol this throw true try type typeof unique unknown using var void while with yield
`;

/** The words of which the compiler takes no constant, of those given. */
function refusedByCompiler(words: readonly string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "words-"));
  const files = words.map((word) => {
    const file = join(folder, `${word}.ts`);
    writeFileSync(file, `export const ${word} = 1;\n`);
    return file;
  });
  const options = ["--noEmit", "--ignoreConfig", "--module", "preserve", "--moduleDetection", "force", "--types", ""];
  const { stdout } = Bun.spawnSync([process.execPath, "run", "tsc", ...options, ...files], { cwd: ROOT });
  rmSync(folder, { recursive: true });
  const named = [...stdout.toString().matchAll(/([A-Za-z]+)\.ts\(/g)].map(([, word = ""]) => word);
  return words.filter((word) => named.includes(word));
}

test("the words of TypeScript are those of which the compiler takes no constant", () => {
  const words = KEYWORDS.trim().split(/\s+/);
  // Where it cannot read one file, it looks no closer at the others.
  const unreadable = refusedByCompiler(words);
  const refused = [...unreadable, ...refusedByCompiler(words.filter((word) => !unreadable.includes(word)))];
  // Of these the compiler takes one, and the linter does not.
  const shadowed = ["globalThis", "undefined"];
  expect([...refused, ...shadowed].toSorted()).toEqual([...TYPESCRIPT_WORDS].toSorted());
});

import { expect, test } from "bun:test";
import { environment } from "#local/environment.ts";
import { ROOT } from "#local/root.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { agreeToDrop } from "./agree-to-drop.ts";
import { readUpOptions } from "./up-options.ts";

const optionsOf = (...args: string[]) => readUpOptions(["bun", "up.ts", ...args]);
const says = (answer: string) => (question: string) => Promise.resolve(question === "" ? "" : answer);
const never = () => Promise.reject(new Error("Nobody is to be asked."));

test("a demo that removes nobody's sessions asks nothing, and neither does --yes", async () => {
  await agreeToDrop([], optionsOf("--fresh"), never);
  await agreeToDrop(["mine"], optionsOf("--fresh", "--yes"), never);
});

test("sessions go only where --fresh was given, whoever is there", async () => {
  expect(await agreeToDrop(["mine"], optionsOf("--bars", "21"), never).catch(String)).toBe(
    'Error: A new demo would remove your sessions ("mine"): `bin/up` goes on with them, `bin/up --fresh` removes them, and another R3_DATA_FOLDER keeps them apart.',
  );
});

test("--fresh asks a person with the names of what goes, and takes nothing but yes", async () => {
  const names = ["a", "b", "c", "d", "e"];
  const asked: string[] = [];
  const yes = (question: string) => {
    asked.push(question);
    return Promise.resolve(" Y\n");
  };
  await agreeToDrop(names, optionsOf("--fresh"), yes);
  expect(asked).toEqual([
    '--fresh removes your sessions ("a", "b", "c" and 2 more) with their orders and money. Go on? [y/N] ',
  ]);
  for (const answer of ["", "n", "yess"])
    expect(await agreeToDrop(names, optionsOf("--fresh"), says(answer)).catch(String)).toBe(
      "Error: Nothing was removed; `bin/up` without --fresh goes on with your sessions.",
    );
});

test("--fresh where nobody can be asked is refused in one sentence", async () => {
  expect(await agreeToDrop(["mine"], optionsOf("--fresh"), null).catch(String)).toBe(
    'Error: --fresh would remove your sessions ("mine"): add --yes to remove them, or leave --fresh out.',
  );
});

test.each([
  ["y\n", 0, "removed"],
  ["n\n", 1, "Nothing was removed"],
  // The end of the input, as Ctrl-D types it.
  ["\u0004", 1, "Nothing was removed"],
])("at a terminal %j is the answer, and the process ends by itself", async (typed, code, says) => {
  const source = `
    import { agreeToDrop } from "./src/demo/agree-to-drop.ts";
    import { report } from "./src/local/say.ts";
    await agreeToDrop(["mine"], { fresh: true, yes: false, json: false }).then(
      () => process.stderr.write("removed"),
      (error) => { report(error); process.exitCode = 1; },
    );`;
  let shown = "";
  let answered = false;
  const child = Bun.spawn([process.execPath, "-e", source], {
    cwd: ROOT,
    env: environment({}),
    timeout: 10_000,
    terminal: {
      data(terminal, data) {
        shown += new TextDecoder().decode(data);
        if (answered || !shown.includes("[y/N]")) return;
        answered = true;
        terminal.write(typed);
      },
    },
  });
  expect(await child.exited).toBe(code);
  await until(() => shown.includes(says));
});

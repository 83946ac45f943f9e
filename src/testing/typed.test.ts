import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import { eventually } from "./alone.fixture.ts";
import { openShell } from "./typed.fixture.ts";

/** A command that stays in the background, and the line that says its process id. */
const STAYS = "sleep 60 > /dev/null 2>&1 &\necho $!";

const lives = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const ends = (pid: number) => eventually(`process ${pid} ends`, () => Promise.resolve(!lives(pid)), 5_000);

test("what a block says comes back, block by block", async () => {
  const shell = openShell(tmpdir());
  expect(await shell.type("WORD=one\necho $WORD")).toBe("one\n");
  expect(await shell.type("echo $WORD two")).toBe("one two\n");
  await shell.close();
});

test("what a block left in the background ends with its shell", async () => {
  const shell = openShell(tmpdir());
  const pid = Number(await shell.type(STAYS));
  expect(lives(pid)).toBeTrue();
  await shell.close();
  await ends(pid);
});

test("a block that fails says so, and ends what was left in the background", async () => {
  const shell = openShell(tmpdir());
  const pid = Number(await shell.type(STAYS));
  const failure = await failureOf(shell.type("echo before\nls /no/such/folder"));
  expect(failure).toMatch(/^Error: It ended in this block:\necho before[^]*before\n[^]*no\/such\/folder/);
  await ends(pid);
  await shell.close();
});

test("a block that takes too long is ended with what was left in the background", async () => {
  const shell = openShell(tmpdir(), 200);
  const pid = Number(await shell.type(STAYS));
  const failure = await failureOf(shell.type("sleep 60"));
  expect(failure).toStartWith("Error: It ended in this block:\nsleep 60");
  await ends(pid);
  await shell.close();
});

test("a test that is killed leaves nothing behind", async () => {
  const killed = `
    import { openShell } from ${JSON.stringify(new URL("typed.fixture.ts", import.meta.url).pathname)};
    console.log((await openShell("/").type(${JSON.stringify(STAYS)})).trim());
    process.kill(process.pid, "SIGKILL");`;
  const { stdout } = Bun.spawnSync([process.execPath, "-e", killed], { cwd: import.meta.dir });
  const pid = Number(stdout.toString());
  expect(pid).toBeGreaterThan(0);
  await ends(pid);
});

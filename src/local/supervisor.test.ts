import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "#shared/clock/until.fixture.ts";
import { identityOf, remembered } from "./process-record.ts";
import { lastLines, type Program, type ProgramEvent, Supervisor } from "./supervisor.ts";

let folder: string;
let supervisor: Supervisor;
let events: ProgramEvent[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "supervisor-"));
  events = [];
  supervisor = new Supervisor({ pids: folder, logs: folder }, (event) => events.push(event));
});
afterEach(async () => {
  await supervisor.stop();
  expect(remembered(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});

/** Ready once it has ended well. */
function work(source: string): Program {
  return {
    name: "program",
    command: [process.execPath, "-e", source],
    env: { PATH: process.env["PATH"] ?? "" },
    stopSignal: "SIGTERM",
    graceMs: 5_000,
    readyWithinMs: 10_000,
    ends: true,
    group: true,
  };
}

function program(source: string, ready: NonNullable<Program["ready"]>): Program {
  return { ...work(source), ends: false, group: false, ready };
}

const saysIts = (word: string) => () => Promise.resolve(lastLines(supervisor.logOf("program")) === word);

describe("the supervisor", () => {
  test("ends at once what is still being ended, when somebody does not want to wait", async () => {
    const deaf = "process.on('SIGTERM', () => {}); console.log('deaf'); setInterval(() => {}, 1_000)";
    await supervisor.start(program(deaf, saysIts("deaf")));
    const pid = supervisor.pidOf("program") ?? 0;
    const stopped = supervisor.stop();
    await supervisor.stopNow();
    expect(identityOf(pid)).toBeNull();
    await stopped;
  });

  test("asks whether the process it has started is ready, by its id", async () => {
    let asked = 0;
    const lives = "setInterval(() => {}, 1_000)";
    await supervisor.start(
      program(lives, (pid) => {
        asked = pid;
        return Promise.resolve(true);
      }),
    );
    expect(asked).toBe(supervisor.pidOf("program") ?? -1);
  });

  test("does not start again what ended before it took work, and says what its log ends with", async () => {
    const failing = program("console.log('The port is taken.'); process.exit(1)", () => Promise.resolve(false));
    const refused = await supervisor.start(failing).catch(String);
    expect(refused).toMatch(/ended while starting \(exit code 1\); .*\nThe port is taken\.$/);
    expect(supervisor.pidOf("program")).toBeNull();
    expect(events).toEqual([]);
  });

  test("says how one ended that wrote nothing, and why one could not be begun", async () => {
    const mute = program("process.kill(process.pid, 'SIGKILL')", () => Promise.resolve(false));
    expect(await supervisor.start(mute).catch(String)).toMatch(/ended while starting \(SIGKILL\); \S+ is empty\.$/);
    const missing = { ...work(""), command: [join(folder, "nothing")] };
    expect(await supervisor.start(missing).catch(String)).toMatch(/failed \(.*ENOENT.*\); \S+ is empty\.$/);
  });

  test("waits for work that ends, and ends what that has started with it", async () => {
    await supervisor.start(work("console.log('done')"));
    expect(lastLines(supervisor.logOf("program"))).toBe("done");
    expect(await supervisor.start(work("process.exit(1)")).catch(String)).toContain("program failed (exit code 1); ");
    const started = supervisor.start(
      work("const child = Bun.spawn(['sleep', '60']); console.log(child.pid); setInterval(() => {}, 1_000)"),
    );
    const stopped = started.catch(String);
    const idOf = (): number => Number(lastLines(supervisor.logOf("program")) || "0");
    await until(idOf);
    const pid = idOf();
    expect(identityOf(pid)).not.toBeNull();
    await supervisor.stop();
    expect(await stopped).toBe("Error: Stopped.");
    // Who takes the orphan in reaps it a moment later.
    await until(() => identityOf(pid) === null);
  });

  test("starts nothing once it was stopped", async () => {
    await supervisor.stop();
    const refused = await supervisor.start(program("", () => Promise.resolve(true))).catch(String);
    expect(refused).toBe("Error: Stopped.");
    expect(supervisor.pidOf("program")).toBeNull();
  });
});

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

function program(source: string, ready: Program["ready"]): Program {
  return {
    name: "program",
    command: [process.execPath, "-e", source],
    env: { PATH: process.env["PATH"] ?? "" },
    stopSignal: "SIGTERM",
    graceMs: 5_000,
    ready,
    readyWithinMs: 10_000,
  };
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
    expect(refused).toMatch(/ended while starting; .*\nThe port is taken\.$/);
    expect(supervisor.pidOf("program")).toBeNull();
    expect(events).toEqual([]);
  });

  test("starts nothing once it was stopped", async () => {
    await supervisor.stop();
    const refused = await supervisor.start(program("", () => Promise.resolve(true))).catch(String);
    expect(refused).toBe("Error: Stopped.");
    expect(supervisor.pidOf("program")).toBeNull();
  });
});

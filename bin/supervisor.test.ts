import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identityOf, remembered } from "./process-record.ts";
import { lastLines, Supervisor } from "./supervisor.ts";

describe("the supervisor", () => {
  test("ends at once what is still being ended, when somebody does not want to wait", async () => {
    const folder = mkdtempSync(join(tmpdir(), "supervisor-"));
    const supervisor = new Supervisor({ pids: folder, logs: folder }, () => undefined);
    await supervisor.start({
      name: "stubborn",
      command: [
        process.execPath,
        "-e",
        "process.on('SIGTERM', () => {}); console.log('deaf'); setInterval(() => {}, 1_000)",
      ],
      env: { PATH: process.env["PATH"] ?? "" },
      stopSignal: "SIGTERM",
      graceMs: 5_000,
      ready: () => Promise.resolve(lastLines(supervisor.logOf("stubborn")) === "deaf"),
      readyWithinMs: 10_000,
    });
    const pid = supervisor.pidOf("stubborn") ?? 0;
    const stopped = supervisor.stop();
    await supervisor.stopNow();
    expect(identityOf(pid)).toBeNull();
    await stopped;
    expect(remembered(folder)).toEqual([]);
    rmSync(folder, { recursive: true });
  });
});

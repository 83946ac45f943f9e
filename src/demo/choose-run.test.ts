import { describe, expect, test } from "bun:test";
import { chooseRun } from "./choose-run.ts";
import type { DemoRun } from "./demo-run.ts";
import { readUpOptions } from "./up-options.ts";

const run = (done: boolean): DemoRun => ({
  id: "demo1",
  bars: 60,
  apiKey: "a",
  secret: "b",
  sessionKey: "c",
  backtestKey: "d",
  sessionId: "e",
  done,
});
const optionsOf = (args: string) => readUpOptions(["bun", "up.ts", ...args.split(" ").filter(Boolean)]);

describe("the demo in the data folder", () => {
  test.each([
    ["nothing", null, "", "begin"],
    ["an unfinished one", run(false), "", "go on"],
    ["an unfinished one", run(false), "--bars 60", "go on"],
    ["an unfinished one", run(false), "--until-demo-ends", "go on"],
    ["an unfinished one", run(false), "--bars 61", "begin"],
    ["an unfinished one", run(false), "--fresh", "begin"],
    ["a finished one", run(true), "", "go on"],
    ["a finished one", run(true), "--bars 60", "go on"],
    ["a finished one", run(true), "--bars 61", "begin"],
    ["a finished one", run(true), "--until-demo-ends", "begin"],
    ["a finished one", run(true), "--fresh", "begin"],
    ["a finished one", run(true), "--kill 1", "begin"],
    ["a finished one", run(true), "--faults 1", "begin"],
    ["an unfinished one", run(false), "--faults 1", "begin"],
  ] as const)("%s, %p, and `bin/up %s`: %s", (_what, found, args, kind) => {
    expect(chooseRun(found, optionsOf(args)).kind).toBe(kind);
  });

  test("is never passed over in silence", () => {
    const { says } = chooseRun(run(true), optionsOf("--bars 60"));
    expect(says).toBe("The finished demo of 60 bars is in the data folder; `bin/up --fresh` plays a new one.");
  });
});

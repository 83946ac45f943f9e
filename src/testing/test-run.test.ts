import { describe, expect, test } from "bun:test";
import { filesToRun } from "./test-run.ts";

const UNIT = "src/demo/demo-compare.test.ts";
const LONG = "src/e2e/demo-all-bars.full.test.ts";
const FILES = [LONG, UNIT, "src/shared/bus/bus.test.ts"];

describe("the test files that are run", () => {
  test.each([
    ["", "", [UNIT, "src/shared/bus/bus.test.ts"]],
    ["", "--full", FILES],
    ["demo", "", [UNIT]],
    ["./src/demo/", "", [UNIT]],
    ["demo", "--full", [LONG, UNIT]],
    [LONG, "", [LONG]],
    ["demo-all-bars.full.test.ts", "", [LONG]],
  ])("with the path part %p and %p are %p", (path, full, files) => {
    expect(filesToRun(FILES, path === "" ? [] : [path], full !== "")).toEqual(files);
  });

  test("are refused in a sentence when there is none, or long ones alone", () => {
    expect(() => filesToRun(FILES, ["nosuch"], false)).toThrow("No test file has nosuch in its path.");
    expect(() => filesToRun(FILES, ["all-bars"], false)).toThrow(
      "Only long runs have all-bars in their path; --full plays them as well.",
    );
  });
});

import { describe, expect, test } from "bun:test";
import { countsOf, filesToRun, slowest } from "./test-run.ts";

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

test("the slowest files come first, as many as are asked for", () => {
  const times = [
    { file: "a.test.ts", seconds: 0.25 },
    { file: "b.test.ts", seconds: 61.04 },
    { file: "c.test.ts", seconds: 3 },
  ];
  expect(slowest(times, 2)).toEqual(["   61.0 s  b.test.ts", "    3.0 s  c.test.ts"]);
});

test("a file that was ended has the tests that had passed, and one failure", () => {
  const output = "(pass) one [1.00ms]\n(pass) two [1.00ms]\n\nEnded after 120 s.\n";
  expect(countsOf({ code: null, output })).toEqual({ passed: 2, failed: 1 });
  expect(countsOf({ code: 0, output: "(pass) one\n 1 pass\n 0 fail\n" })).toEqual({ passed: 1, failed: 0 });
});

import { describe, expect, test } from "bun:test";
import { parseEnv } from "node:util";
import { readSettingsFile } from "./settings-file.ts";

describe("the lines of a settings file", () => {
  test.each([
    "",
    "# a comment\n\n  # and another one = x\n\t\nA=1\n",
    "A=1\r\n\r\nB='x\r\ny'\r\n# c\r\nC=2",
    "\uFEFFA=1",
    "export A=1\n  B = 2 # said so\nC=\nD==\nE=x'y",
    `A='[\n  {"id": "a=b"},\n# no comment\n]'\nB="x\n\ny" # c\nC=\`'"\`\n`,
    "A=it's\nB='open\nC=2\n",
    'A="with \\" inside"\nB=2',
    "A=1\nA=2\n",
  ])("are taken as Node takes them: %j", (text) => {
    expect(readSettingsFile(text)).toEqual({ variables: { ...parseEnv(text) } as Record<string, string>, faults: [] });
  });

  test.each([
    ["R3_HTTP_PORT 7555\nB=2", ["line 1 is no KEY=value"]],
    [
      "A=1\n\nhunter2\nB=2\n=3\r\nA: 4\n",
      ["line 3 is no KEY=value", "line 5 is no KEY=value", "line 6 is no KEY=value"],
    ],
    ["A B=1\nexport\n'A'=1", ["line 1 is no KEY=value", "line 2 is no KEY=value", "line 3 is no KEY=value"]],
    ["A\n=1", ["line 1 is no KEY=value", "line 2 is no KEY=value"]],
    ["A=1\nc2VjcmV0Cg==\n", ["line 2 names no setting"]],
    ["A=\n'x'", ["line 2 is no KEY=value"]],
    ["A='x\ny\nB=2", ["line 2 is no KEY=value"]],
    ["A='x\nB='y'\nC=1", ["line 1 goes on after its closing quote"]],
    [`A='it's'\nB="x"\n`, ["line 1 goes on after its closing quote"]],
  ])("that cannot be taken are named, never shown: %j", (text, faults) => {
    expect(readSettingsFile(text).faults).toEqual(faults);
  });
});

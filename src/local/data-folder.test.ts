import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeDataFolder } from "./data-folder.ts";

let path = "";

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "data-folder-"));
});
afterEach(() => rmSync(path, { recursive: true }));

const modeOf = (folder: string) => statSync(folder).mode & 0o777;

test("a folder that holds something else is refused and left as it is", () => {
  mkdirSync(join(path, "redis"));
  writeFileSync(join(path, "redis/keep.txt"), "mine");
  chmodSync(path, 0o775);
  expect(() => takeDataFolder(path, "bin/up")).toThrow(
    `${path} is not empty and no data folder of bin/up, which would change and remove what lies there; set R3_DATA_FOLDER to a new folder.`,
  );
  expect(modeOf(path)).toBe(0o775);
  expect(readFileSync(join(path, "redis/keep.txt"), "utf8")).toBe("mine");
});

test("a file is refused in a sentence", () => {
  const file = join(path, "README.md");
  writeFileSync(file, "mine");
  expect(() => takeDataFolder(file, "bin/up")).toThrow(
    `${file} is a file; set R3_DATA_FOLDER to a folder, or to one that is to be made.`,
  );
});

test("an empty folder and a new one are taken, and again with what lies there since", () => {
  for (const folder of [path, join(path, "new/deep")]) {
    takeDataFolder(folder, "bin/up").release();
    writeFileSync(join(folder, "demo.json"), "{}");
    takeDataFolder(folder, "bin/up").release();
    expect(modeOf(folder) & 0o066).toBe(0);
    expect(readFileSync(join(folder, "demo.json"), "utf8")).toBe("{}");
  }
});

test("a folder that is taken names its owner, and where that can be looked at", () => {
  const { pid } = process;
  const data = takeDataFolder(path, "bin/up");
  const end = "; stop it, or set R3_DATA_FOLDER to another folder.";
  expect(() => takeDataFolder(path, "bin/up")).toThrow(`bin/up already runs on ${path} (process ${pid})${end}`);
  data.answersAt("http://127.0.0.1:7300/");
  expect(() => takeDataFolder(path, "bin/up")).toThrow(
    `bin/up already runs on ${path} (process ${pid}) at http://127.0.0.1:7300/${end}`,
  );
  data.release();
  takeDataFolder(path, "bin/up").release();
});

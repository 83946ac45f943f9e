import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inScratch } from "./scratch.ts";

const PREFIX = `r3edge-scratch-${crypto.randomUUID()}-`;
/** More than any process has. */
const NOBODY = 2 ** 30;
const folderOf = (pid: number): string => join(tmpdir(), `${PREFIX}${pid}`);

afterEach(() => {
  for (const pid of [process.ppid, NOBODY]) rmSync(folderOf(pid), { recursive: true, force: true });
});

test("what a killed run has left goes, and the folder of one that begins in the same moment stays", async () => {
  for (const pid of [process.ppid, NOBODY]) mkdirSync(folderOf(pid));
  const own = await inScratch({ prefix: PREFIX, command: "a test" }, async ({ data }) => {
    expect(existsSync(folderOf(process.ppid))).toBe(true);
    expect(existsSync(folderOf(NOBODY))).toBe(false);
    return data.path;
  });
  expect(own).toBe(folderOf(process.pid));
  expect(existsSync(own)).toBe(false);
});

import { afterAll, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "#local/root.ts";

const folder = mkdtempSync(join(tmpdir(), "gitignore-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a file of settings with keys in it, called as the docs say, is not shown by git status", () => {
  const papers = ["README.md", ...readdirSync(join(ROOT, "docs")).map((name) => join("docs", name))];
  const text = papers.filter((name) => name.endsWith(".md")).map((name) => readFileSync(join(ROOT, name), "utf8"));
  const names = [...text.join("\n").matchAll(/R3_SETTINGS_FILE=([\w.]+)/g)].map(([, name = ""]) => name);
  expect(names).toContain("my.env");
  copyFileSync(join(ROOT, ".gitignore"), join(folder, ".gitignore"));
  const git = (...args: string[]) => Bun.spawnSync(["git", ...args], { cwd: folder }).stdout.toString();
  git("init", "--quiet");
  expect(
    git("check-ignore", ...names)
      .trim()
      .split("\n"),
  ).toEqual(names);
});

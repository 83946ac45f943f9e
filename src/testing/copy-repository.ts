import { cpSync, existsSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "#local/root.ts";
import { Trouble } from "#local/say.ts";

/** A copy of what git knows or would take, with the packages of this clone. */
export function copyRepository(folder: string): string {
  const copy = join(folder, "copy");
  const listed = Bun.spawnSync(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: ROOT });
  if (listed.exitCode !== 0) throw new Trouble("What git lists is copied, and git lists nothing here.");
  for (const name of new Set(listed.stdout.toString().split("\0").filter(Boolean))) {
    if (!existsSync(join(ROOT, name))) continue;
    mkdirSync(dirname(join(copy, name)), { recursive: true });
    cpSync(join(ROOT, name), join(copy, name));
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  return copy;
}

import { existsSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";

/** A Redis that is not running. */
export interface StoppedRedis {
  binary: string;
  env: Record<string, string>;
  /** Where it keeps its append-only file. */
  folder: string;
}

const CHECK_WITHIN_MS = 60_000;
const VALID = /All AOF files and manifest are valid/;

/** The checker is the server's own binary under another name. */
function check({ binary, env }: StoppedRedis, args: readonly string[]): string {
  const argv0 = basename(binary).startsWith("valkey") ? "valkey-check-aof" : "redis-check-aof";
  const options = { argv0, env, stdin: Buffer.from("y\n"), timeout: CHECK_WITHIN_MS } as const;
  const { stdout, stderr } = Bun.spawnSync([binary, ...args], { ...options, stdout: "pipe", stderr: "pipe" });
  return `${stdout.toString()}${stderr.toString()}`;
}

/**
 * Makes an append-only file readable that a power cut or a full disk has damaged, since Redis would not start with it: cuts off
 * the part that cannot be read, or sets it aside whole. What is missing then comes from Postgres. Gives the sentence that says
 * what was done; null: the file is whole.
 */
export function mendAppendOnlyFile(redis: StoppedRedis): string | null {
  const files = join(redis.folder, "appendonlydir");
  const manifest = join(files, "appendonly.aof.manifest");
  if (!existsSync(manifest) || VALID.test(check(redis, [manifest]))) return null;
  const cut = /with (\d+) bytes, to \d+ bytes/.exec(check(redis, ["--fix", manifest]));
  const sent = "what is missing is sent again from Postgres";
  if (VALID.test(check(redis, [manifest])))
    return `The end of Redis' file could not be read, and ${cut?.[1] ?? "some"} bytes of it were cut off; ${sent}.`;
  const aside = join(redis.folder, "appendonlydir.damaged");
  rmSync(aside, { recursive: true, force: true });
  renameSync(files, aside);
  return `Redis' file could not be read and lies in ${aside} now; Redis begins empty, and ${sent}.`;
}

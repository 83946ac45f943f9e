import { appendFileSync, readdirSync, readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import postgres from "postgres";
import type { Line } from "#local/line.ts";
import type { Supervisor } from "#local/supervisor.ts";
import type { FaultName, PlannedFault } from "./demo-faults.ts";
import { untilAnswered } from "./until-answered.ts";

/** What faults are done to. */
export interface Victims {
  supervisor: Supervisor;
  /** The data folder. */
  folder: string;
  /** Past the lines. */
  databaseUrl: string;
  redisUrl: string;
  /** By which the engine reaches its servers. */
  lines: { postgres: Line; redis: Line };
}

/** So many bytes at the end of Redis' file are lost, or zeros. */
const DAMAGED_BYTES = 3_000;

/** A process and all that it has started. */
function family(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(/\s+/).filter(Boolean).map(Number);
    return [pid, ...children.flatMap(family)];
  } catch {
    return [pid];
  }
}

function send(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended meanwhile.
    }
  }
}

async function freeze({ supervisor }: Victims, name: string, lastsMs: number): Promise<void> {
  const pid = await pidOf(supervisor, name);
  const pids = family(pid);
  send(pids, "SIGSTOP");
  await Bun.sleep(lastsMs);
  send(pids, "SIGCONT");
}

async function kill(
  { supervisor }: Victims,
  name: string,
  by: NodeJS.Signals = "SIGKILL",
  whileDead?: () => void,
): Promise<void> {
  await pidOf(supervisor, name);
  supervisor.kill(name, by, whileDead);
}

/** Its process id, once it runs: it may be being restarted. */
async function pidOf(supervisor: Supervisor, name: string): Promise<number> {
  for (;;) {
    const pid = supervisor.pidOf(name);
    if (pid !== null) return pid;
    await Bun.sleep(20);
  }
}

/** The file that Redis appends to. */
function redisFile(folder: string): string {
  const files = join(folder, "redis/appendonlydir");
  const newest = readdirSync(files)
    .filter((name) => name.endsWith(".incr.aof"))
    .toSorted((a, b) => Number(a.split(".")[2]) - Number(b.split(".")[2]))
    .at(-1);
  return join(files, newest ?? "");
}

function cutOff(file: string): void {
  truncateSync(file, Math.max(0, statSync(file).size - DAMAGED_BYTES));
}

async function wipe({ redisUrl }: Victims): Promise<void> {
  await untilAnswered(async () => {
    const redis = new Redis(redisUrl, { lazyConnect: true, retryStrategy: () => null });
    redis.on("error", () => undefined);
    try {
      await redis.connect();
      await redis.flushall();
    } finally {
      redis.disconnect();
    }
  });
}

async function endBackends({ databaseUrl }: Victims): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  await untilAnswered(async () => {
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
  });
  await sql.end();
}

async function cut(line: Line, lastsMs: number): Promise<void> {
  await line.cut();
  await Bun.sleep(lastsMs);
  await line.mend();
}

type Strike = (victims: Victims, fault: PlannedFault) => Promise<void>;

const killProgram: Strike = (victims, { program }) => kill(victims, program ?? "");
const freezeProgram: Strike = (victims, { program, lastsMs }) => freeze(victims, program ?? "", lastsMs);

const STRIKES: Readonly<Record<FaultName, Strike>> = {
  "service-killed": killProgram,
  "service-frozen": freezeProgram,
  "venue-killed": killProgram,
  "venue-frozen": freezeProgram,
  "redis-wiped": wipe,
  "redis-killed": (victims) => kill(victims, "redis"),
  "redis-frozen": (victims, { lastsMs }) => freeze(victims, "redis", lastsMs),
  "redis-file-cut": (victims) => kill(victims, "redis", "SIGKILL", () => cutOff(redisFile(victims.folder))),
  "redis-file-zeroed": (victims) =>
    kill(victims, "redis", "SIGKILL", () => {
      const file = redisFile(victims.folder);
      cutOff(file);
      appendFileSync(file, Buffer.alloc(DAMAGED_BYTES));
    }),
  "redis-connections-cut": ({ lines }, { lastsMs }) => cut(lines.redis, lastsMs),
  "redis-connections-silent": async ({ lines }) => lines.redis.silence(),
  "postgres-backends-ended": endBackends,
  "postgres-killed": (victims) => kill(victims, "postgres"),
  "postgres-quit": (victims) => kill(victims, "postgres", "SIGQUIT"),
  "postgres-frozen": (victims, { lastsMs }) => freeze(victims, "postgres", lastsMs),
  "postgres-connections-cut": ({ lines }, { lastsMs }) => cut(lines.postgres, lastsMs),
  "postgres-connections-silent": async ({ lines }) => lines.postgres.silence(),
};

/** Holds the run at its bar, or lets it go on. Nothing happens where the conductor has ended. */
export function holdConductor({ supervisor }: Victims, isHeld: boolean): void {
  const pid = supervisor.pidOf("conductor");
  if (pid !== null) send([pid], isHeld ? "SIGSTOP" : "SIGCONT");
}

/** Does it, and resolves when it is over. */
export function strike(victims: Victims, fault: PlannedFault): Promise<void> {
  return STRIKES[fault.fault](victims, fault);
}

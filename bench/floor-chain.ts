import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import postgres from "postgres";
import { z } from "zod";
import { Trouble } from "#local/say.ts";
import type { Servers } from "#local/servers.ts";

const HOPS = ["collect", "candles", "execute", "decide", "submit"];
const message = z.union([
  z.object({ ready: z.literal(true) }),
  z.object({ k: z.number(), stamps: z.array(z.number()) }),
]);

/** The bare chain of bench/tick-to-order-floor.ts, running. */
export interface FloorChain {
  /** Sends one tick down the chain. */
  tick(): void;
  /** For each tick that has arrived at the end since the last call, when each hop had it (milliseconds, wall clock). */
  taken(): number[][];
  close(): Promise<void>;
}

async function makeDatabase(serverUrl: string): Promise<string> {
  const admin = postgres(serverUrl, { max: 1, onnotice: () => undefined });
  await admin`create database r3_floor`;
  await admin.end();
  const url = new URL(serverUrl);
  url.pathname = "/r3_floor";
  const sql = postgres(url.href, { max: 1, onnotice: () => undefined });
  await sql`create table floor_rows (id bigint generated always as identity primary key, payload text not null)`;
  await sql.end();
  return url.href;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });
}

/** How long a hop may take to begin, in milliseconds. */
const READY_WITHIN_MS = 30_000;

/** Starts the chain with a process for each hop, or with all in one. */
export async function startFloorChain(servers: Servers, options: { processes: boolean }): Promise<FloorChain> {
  const settings = {
    databaseUrl: await makeDatabase(servers.databaseUrl),
    redisUrl: servers.redisUrl,
    prefix: "floor",
  };
  const arrived: number[][] = [];
  const children: ChildProcess[] = [];
  const waiting: Promise<void>[] = [];
  for (const hops of options.processes ? HOPS : [HOPS.join(",")]) {
    const child = fork(join(import.meta.dir, "tick-to-order-floor.ts"), [hops, JSON.stringify(settings)]);
    children.push(child);
    const ready = Promise.withResolvers<void>();
    waiting.push(ready.promise);
    const fail = (what: string) => () => ready.reject(new Trouble(`The floor's hop ${hops} ${what}.`));
    const late = setTimeout(fail(`was not ready in ${READY_WITHIN_MS / 1_000} s`), READY_WITHIN_MS);
    child.once("exit", fail("has ended"));
    child.on("message", (raw) => {
      const said = message.parse(raw);
      if ("ready" in said) {
        clearTimeout(late);
        ready.resolve();
      } else arrived.push(said.stamps);
    });
  }
  const close = async (): Promise<void> => {
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.map(ended));
  };
  await Promise.all(waiting).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  let k = 0;
  return {
    tick() {
      k += 1;
      children[0]?.send({ tick: k });
    },
    taken: () => arrived.splice(0),
    close,
  };
}

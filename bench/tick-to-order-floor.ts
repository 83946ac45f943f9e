/**
 * The floor of tick-to-order: the same number of processes, stream hops, commits, wake-ups and XADDs as the engine's path,
 * with nothing decided in between. One process a hop: bun bench/tick-to-order-floor.ts <hop>, driven over IPC.
 *
 *   collect --XADD--> candles --XADD--> execute --commit, job--> decide --commit, job--> submit --commit--> stamp
 */
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import postgres from "postgres";

/** How many rows each commit of the engine writes: state, log entries, task and lane rows. */
const ROWS = { execute: 4, decide: 8, submit: 4 };
const PAYLOAD = "x".repeat(700);

interface FloorSettings {
  databaseUrl: string;
  redisUrl: string;
  prefix: string;
}

/** One tick on its way: its number and when it reached the first hop (milliseconds with a fraction, wall clock). */
interface Tick {
  k: number;
  t0: number;
}

const stampMs = () => performance.timeOrigin + performance.now();

function connection(settings: FloorSettings) {
  const url = new URL(settings.redisUrl);
  return { host: url.hostname, port: Number(url.port || 6379), maxRetriesPerRequest: null };
}

async function append(redis: Redis, stream: string, tick: Tick): Promise<void> {
  await redis.xadd(stream, "*", "d", JSON.stringify({ ...tick, payload: PAYLOAD }));
}

async function read(settings: FloorSettings, stream: string, handle: (tick: Tick) => Promise<void>): Promise<void> {
  const reader = new Redis(settings.redisUrl, { maxRetriesPerRequest: null });
  await reader.xgroup("CREATE", stream, "floor", "$", "MKSTREAM").catch(() => undefined);
  process.send?.({ ready: true });
  for (;;) {
    const answer = (await reader.xreadgroup(
      "GROUP",
      "floor",
      "one",
      "COUNT",
      100,
      "BLOCK",
      1_000,
      "STREAMS",
      stream,
      ">",
    )) as [string, [string, string[]][]][] | null;
    for (const [, entries] of answer ?? []) {
      for (const [id, fields] of entries) {
        await handle(JSON.parse(fields[1] ?? "{}") as Tick);
        await reader.xack(stream, "floor", id);
      }
    }
  }
}

async function commit(sql: postgres.Sql, rows: number): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`insert into floor_rows (payload) select ${PAYLOAD} from generate_series(1, ${rows}::int)`;
  });
}

function makeQueue(settings: FloorSettings, name: string): (tick: Tick) => Promise<void> {
  const queue = new Queue(name, { connection: connection(settings), prefix: settings.prefix });
  return async (tick) => {
    await queue.add("tick", tick, {
      removeOnComplete: { count: 1_000 },
      deduplication: { id: `lane-${tick.k}`, keepLastIfActive: true },
    });
  };
}

function work(settings: FloorSettings, name: string, handle: (tick: Tick) => Promise<void>): void {
  const worker = new Worker(name, async (job) => handle(job.data as Tick), {
    connection: connection(settings),
    prefix: settings.prefix,
    concurrency: 8,
    lockDuration: 4_000,
    stalledInterval: 2_000,
  });
  void worker.waitUntilReady().then(() => process.send?.({ ready: true }));
}

async function runHop(hop: string, settings: FloorSettings): Promise<void> {
  const redis = new Redis(settings.redisUrl);
  const sql = postgres(settings.databaseUrl, { max: 2, onnotice: () => undefined });
  const stream = (name: string) => `${settings.prefix}:${name}`;
  if (hop === "collect") {
    process.on("message", (message: { tick?: number }) => {
      if (message.tick !== undefined) void append(redis, stream("trades"), { k: message.tick, t0: stampMs() });
    });
    process.send?.({ ready: true });
  } else if (hop === "candles") {
    await read(settings, stream("trades"), (tick) => append(redis, stream("candles"), tick));
  } else if (hop === "execute") {
    const add = makeQueue(settings, "floor-decide");
    await read(settings, stream("candles"), async (tick) => {
      await commit(sql, ROWS.execute);
      await Promise.all([append(redis, stream("signals"), tick), add(tick)]);
    });
  } else if (hop === "decide") {
    const add = makeQueue(settings, "floor-submit");
    work(settings, "floor-decide", async (tick) => {
      await commit(sql, ROWS.decide);
      await Promise.all([append(redis, stream("orders"), tick), add(tick)]);
    });
  } else if (hop === "submit") {
    work(settings, "floor-submit", async (tick) => {
      await commit(sql, ROWS.submit);
      process.send?.({ done: tick.k, latencyMs: stampMs() - tick.t0 });
      await append(redis, stream("orders"), tick);
    });
  } else {
    throw new Error(`Unknown hop "${hop}".`);
  }
}

await runHop(process.argv[2] ?? "", JSON.parse(process.argv[3] ?? "{}") as FloorSettings);

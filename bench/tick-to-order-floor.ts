/**
 * The floor of tick-to-order, a program of its own: the same number of stream hops, commits, wake-ups and XADDs as the
 * engine's path, with nothing decided in between and each commit a single statement. Driven over IPC:
 *
 *   collect --XADD--> candles --XADD--> execute --commit, job--> decide --commit, job--> submit --commit--> stamp
 *
 * Arguments: the hops this process does, with commas, then FloorSettings as JSON.
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

/** One tick on its way: its number and when each hop had it (milliseconds with a fraction, wall clock). */
interface Tick {
  k: number;
  stamps: number[];
}

const hops = (process.argv[2] ?? "").split(",");
const settings = JSON.parse(process.argv[3] ?? "{}") as FloorSettings;
const redis = new Redis(settings.redisUrl);
const sql = postgres(settings.databaseUrl, { max: 2, onnotice: () => undefined });

const stream = (name: string): string => `${settings.prefix}:${name}`;
const stamped = ({ k, stamps }: Tick): Tick => ({ k, stamps: [...stamps, performance.timeOrigin + performance.now()] });

function connection() {
  return { url: settings.redisUrl, maxRetriesPerRequest: null };
}

async function append(name: string, tick: Tick): Promise<void> {
  await redis.xadd(stream(name), "*", "d", JSON.stringify({ ...tick, payload: PAYLOAD }));
}

async function commit(rows: number): Promise<void> {
  await sql`insert into floor_rows (payload) select ${PAYLOAD} from generate_series(1, ${rows}::int)`;
}

async function read(name: string, handle: (tick: Tick) => Promise<void>): Promise<void> {
  const reader = new Redis(settings.redisUrl, { maxRetriesPerRequest: null });
  await reader.xgroup("CREATE", stream(name), "floor", "$", "MKSTREAM");
  void (async () => {
    for (;;) {
      const answer = (await reader.xreadgroup(
        ...(["GROUP", "floor", "one", "COUNT", 100, "BLOCK", 1_000, "STREAMS", stream(name), ">"] as const),
      )) as [string, [string, string[]][]][] | null;
      for (const [, entries] of answer ?? []) {
        for (const [id, fields] of entries) {
          await handle(stamped(JSON.parse(fields[1] ?? "{}") as Tick));
          await reader.xack(stream(name), "floor", id);
        }
      }
    }
  })();
}

function makeQueue(name: string): (tick: Tick) => Promise<void> {
  const queue = new Queue(name, { connection: connection(), prefix: settings.prefix });
  return async (tick) => {
    await queue.add("tick", tick, {
      removeOnComplete: { count: 1_000 },
      deduplication: { id: `lane-${tick.k}`, keepLastIfActive: true },
    });
  };
}

async function work(name: string, handle: (tick: Tick) => Promise<void>): Promise<void> {
  const worker = new Worker(name, async (job) => handle(stamped(job.data as Tick)), {
    connection: connection(),
    prefix: settings.prefix,
    concurrency: 8,
    lockDuration: 4_000,
    stalledInterval: 2_000,
  });
  await worker.waitUntilReady();
}

const HOPS: Record<string, () => Promise<void>> = {
  async collect() {
    await redis.ping();
    process.on("message", ({ tick }: { tick: number }) => void append("trades", stamped({ k: tick, stamps: [] })));
  },
  candles: () => read("trades", (tick) => append("candles", { k: tick.k, stamps: tick.stamps.slice(0, 1) })),
  execute() {
    const add = makeQueue("floor-decide");
    return read("candles", async (tick) => {
      await commit(ROWS.execute);
      await Promise.all([append("signals", tick), add(tick)]);
    });
  },
  decide() {
    const add = makeQueue("floor-submit");
    return work("floor-decide", async (tick) => {
      await commit(ROWS.decide);
      await Promise.all([append("orders", tick), add(tick)]);
    });
  },
  submit: () =>
    work("floor-submit", async (tick) => {
      await commit(ROWS.submit);
      process.send?.(stamped(tick));
      await append("orders", tick);
    }),
};

// Whoever drives the chain has gone.
process.on("disconnect", () => process.exit());
for (const hop of hops) await HOPS[hop]?.();
process.send?.({ ready: true });

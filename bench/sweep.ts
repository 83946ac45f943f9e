import { join } from "node:path";
import Table from "cli-table3";
import { z } from "zod";
import { isReady } from "#demo/engine.ts";
import { makeDatabase } from "#local/make-database.ts";
import { freePort } from "#local/ports.ts";
import { getJson, postJson } from "#local/rest.ts";
import { ROOT } from "#local/root.ts";
import { step, Trouble } from "#local/say.ts";
import { inScratch, type Scratch } from "#local/scratch.ts";
import { startServers } from "#local/servers.ts";
import { runBacktest } from "#shared/backtest/run.ts";
import { type BacktestStatistics, statisticsOf } from "#shared/backtest/statistics.ts";
import type { CandleColumns } from "#shared/candles/columns.ts";
import { createPool } from "#shared/db/postgres.ts";
import { decimal } from "#shared/domain/decimal.ts";
import { smaCross } from "#strategies/sma-cross.ts";
import { generateBars, instrument } from "./generated-bars.ts";
import { processorMs } from "./processor-time.ts";
import { quantile } from "./quantile.ts";

const BARS = 100_000;
const TIME_FRAME = "1m";
const GRID = { fast: { from: 5, to: 50, step: 5 }, slow: { from: 60, to: 150, step: 10 } };
const RUNS = 100;
const CAPITAL = "1000000";
const SIZING = { method: "percent-of-equity", percent: "1" } as const;
/** Candles of one statement. */
const ROWS = 10_000;
const WITHIN_MS = 300_000;

/** What something took, in seconds: from its beginning to its end, and of processor. */
interface Took {
  seconds: number;
  processorS: number;
}

/** Of each round: a sweep with one worker and with two, with the processor time of these, and the loop. */
interface Figures {
  one: Took[];
  two: Took[];
  loop: Took[];
}

/** What a run came to, as it is compared. */
type Result = Pick<BacktestStatistics, "finalEquity" | "trades" | "sharpe">;

const sweepSchema = z.object({ id: z.string(), state: z.string(), error: z.string().nullable(), runs: z.number() });
const runsSchema = z.object({
  items: z.array(
    z.object({
      params: z.object({ fast: z.number(), slow: z.number() }),
      statistics: z.object({ finalEquity: z.string(), trades: z.number(), sharpe: z.number().nullable() }),
    }),
  ),
});

/** Puts the instrument and its candles into an empty database of the engine. */
async function fillDatabase(url: string, columns: CandleColumns): Promise<void> {
  const sql = createPool(url, { maxConnections: 1 });
  await sql`insert into reference.instruments values (${instrument.id}, ${instrument.venue}, ${sql.json(instrument as never)}, 1)`;
  await sql`
    insert into market_data.series (instrument_id, time_frame, source, forming, history, partition, head_n, head_open_at_ms,
      created_at_ms)
    values (${instrument.id}, ${TIME_FRAME}, 'bars', false, ${BARS}, 0, ${BARS}, ${columns.openAtMs[BARS - 1] ?? 0}, 1)`;
  const at = (name: "open" | "high" | "low" | "close", index: number) => (columns[name][index] ?? 0).toFixed(2);
  for (let from = 0; from < BARS; from += ROWS) {
    const candles = Array.from({ length: ROWS }, (_, offset) => {
      const index = from + offset;
      const [open, high, low, close] = [at("open", index), at("high", index), at("low", index), at("close", index)];
      return [index + 1, columns.openAtMs[index], columns.closeAtMs[index], open, high, low, close];
    });
    await sql`
      insert into market_data.candles
      select ${instrument.id}, ${TIME_FRAME}, (c ->> 0)::int, (c ->> 1)::bigint, (c ->> 2)::bigint, (c ->> 3)::numeric,
        (c ->> 4)::numeric, (c ->> 5)::numeric, (c ->> 6)::numeric, 1, 0
      from jsonb_array_elements(${sql.json(candles as never)}) as c`;
  }
  await sql`analyze market_data.candles`;
  await sql.end();
}

/** data-collect of a venue that has nothing newer. */
function serveFeeds() {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: {
      "/api/data-collect/feeds": () => Response.json({}),
      "/api/data-collect/bars": () => Response.json({ items: [] }),
    },
  });
}

/** Starts a process of a service; gives its address once it takes work. */
async function startService(
  { supervisor }: Scratch,
  { name, service, env }: { name: string; service: string; env: Record<string, string> },
): Promise<string> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await supervisor.start({
    name,
    command: [process.execPath, join(ROOT, "bin/run.ts"), service],
    cwd: ROOT,
    env: { ...env, R3_HTTP_PORT: String(port) },
    stopSignal: "SIGTERM",
    graceMs: 12_000,
    ready: (pid) => isReady(url, pid),
    readyWithinMs: 60_000,
  });
  return url;
}

/** Asks a worker for the sweep and waits until it is over; `names` are the programs of all workers. */
async function sweepOnce(
  { supervisor }: Scratch,
  worker: string,
  names: readonly string[],
): Promise<Took & { id: string }> {
  const pids = names.map((name) => supervisor.pidOf(name)).filter((pid) => pid !== null);
  const wanted = {
    strategy: smaCross.name,
    grid: GRID,
    instrumentId: instrument.id,
    timeFrame: TIME_FRAME,
    capital: CAPITAL,
    riskPolicy: { sizing: SIZING },
  };
  const usedMs = processorMs(pids);
  const beganMs = performance.now();
  const { id } = sweepSchema.parse((await postJson(`${worker}/api/backtest/sweeps`, wanted)).body);
  for (;;) {
    const sweep = sweepSchema.parse(await getJson(`${worker}/api/backtest/sweeps/${id}`));
    const tookMs = performance.now() - beganMs;
    if (sweep.state === "DONE")
      return { seconds: tookMs / 1_000, processorS: (processorMs(pids) - usedMs) / 1_000, id };
    if (sweep.state === "FAILED" || tookMs > WITHIN_MS)
      throw new Trouble(`The sweep is ${sweep.state} after ${Math.round(tookMs)} ms: ${sweep.error}`);
    await Bun.sleep(50);
  }
}

/** The limit: the same runs, one after the other in this thread, over columns that are in memory already. */
function loopOnce(columns: CandleColumns): Took & { results: Map<string, Result> } {
  Bun.gc(true);
  const capital = decimal(CAPITAL);
  const policy = {
    sizing: SIZING,
    maxOrderNotional: null,
    maxPositionNotional: null,
    signalValidityMs: null,
    degradedEntries: "deny-stale",
  } as const;
  const results = new Map<string, Result>();
  const used = process.cpuUsage();
  const beganMs = performance.now();
  for (let fast = GRID.fast.from; fast <= GRID.fast.to; fast += GRID.fast.step) {
    for (let slow = GRID.slow.from; slow <= GRID.slow.to; slow += GRID.slow.step) {
      const params = { fast, slow };
      const { fills } = runBacktest({ definition: smaCross, params, instrument, columns, firstN: 1, capital, policy });
      results.set(`${fast}/${slow}`, statisticsOf({ columns, instrument, capital, fills }, TIME_FRAME));
    }
  }
  const { user, system } = process.cpuUsage(used);
  return { seconds: (performance.now() - beganMs) / 1_000, processorS: (user + system) / 1_000_000, results };
}

/** A limit that computes something else would limit nothing. */
async function proveSame(worker: string, id: string, results: ReadonlyMap<string, Result>): Promise<void> {
  const { items } = runsSchema.parse(await getJson(`${worker}/api/backtest/sweeps/${id}/runs?limit=1000`));
  const isSame = items.every(({ params: { fast, slow }, statistics }) => {
    const own = results.get(`${fast}/${slow}`);
    return (
      own?.finalEquity === statistics.finalEquity &&
      own.trades === statistics.trades &&
      own.sharpe === statistics.sharpe
    );
  });
  if (items.length !== RUNS || results.size !== RUNS || !isSame)
    throw new Trouble("The sweep comes to something else than the loop.");
}

async function measure(scratch: Scratch, rounds: number): Promise<Figures> {
  const columns = generateBars(BARS);
  const feeds = serveFeeds();
  try {
    const { env, worker } = await step("market-data with its candles, and a worker", async () => {
      const servers = await startServers(scratch.supervisor, scratch.data, { durable: true, given: {} });
      const databaseUrl = await makeDatabase(servers.databaseUrl, "r3_bench");
      await fillDatabase(databaseUrl, columns);
      const shared = {
        ...scratch.env,
        DATABASE_URL: databaseUrl,
        REDIS_URL: servers.redisUrl,
        R3_LOG_LEVEL: "warn",
        R3_DATA_COLLECT_URL: `http://127.0.0.1:${feeds.port}`,
      };
      const marketData = await startService(scratch, { name: "market-data", service: "market-data", env: shared });
      const all = { ...shared, R3_MARKET_DATA_URL: marketData };
      return { env: all, worker: await startService(scratch, { name: "backtest", service: "backtest", env: all }) };
    });
    const found: Figures = { one: [], two: [], loop: [] };
    // The first one is warm-up.
    for (let round = 0; round <= rounds; round += 1) {
      await step(round === 0 ? "Warm-up" : `Round ${round} of ${rounds}`, async (line) => {
        const one = await sweepOnce(scratch, worker, ["backtest"]);
        await startService(scratch, { name: "backtest-2", service: "backtest", env });
        // It has worked before, as the first one has.
        await sweepOnce(scratch, worker, []);
        const two = await sweepOnce(scratch, worker, ["backtest", "backtest-2"]);
        await scratch.supervisor.end("backtest-2");
        const loop = loopOnce(columns);
        for (const { id } of [one, two]) await proveSame(worker, id, loop.results);
        const told = [one, two, loop].map(({ seconds }) => seconds.toFixed(2));
        line.say(`one worker ${told[0]} s, two ${told[1]} s, the loop ${told[2]} s`);
        if (round === 0) return;
        found.one.push(one);
        found.two.push(two);
        found.loop.push(loop);
      });
    }
    return found;
  } finally {
    await feeds.stop(true);
  }
}

/**
 * Times a sweep from its request to its end with one worker process and with two, reading the candles included, in turns with
 * the same runs as a bare loop in one thread. Prints a table, then one JSON line.
 */
export async function benchSweep({ rounds }: { rounds: number }): Promise<void> {
  const found = await inScratch({ prefix: "r3edge-bench-", command: "bench sweep" }, (scratch) =>
    measure(scratch, rounds),
  );
  const table = new Table({
    style: { head: [], border: [] },
    head: ["round", "one worker s", "two workers s", "speed-up", "loop s", "processor s (one, two, loop)"],
    colAligns: ["right", "right", "right", "right", "right", "right"],
  });
  const speedups = found.one.map((one, index) => one.seconds / (found.two[index]?.seconds ?? Number.NaN));
  for (const [index, speedup] of speedups.entries()) {
    const took = [found.one, found.two, found.loop].map((each) => each[index] ?? { seconds: 0, processorS: 0 });
    const [one, two, loop] = took.map(({ seconds }) => seconds.toFixed(2));
    const used = took.map(({ processorS }) => processorS.toFixed(1)).join(", ");
    table.push([index + 1, one, two, speedup.toFixed(2), loop, used]);
  }
  const median = (values: readonly number[]) => Number(quantile(values, 0.5).toFixed(2));
  const seconds = (each: readonly Took[]) => median(each.map((took) => took.seconds));
  const processorS = (each: readonly Took[]) => median(each.map((took) => took.processorS));
  const { one, two, loop } = found;
  process.stdout.write(
    `${RUNS} pairs of averages over ${BARS.toLocaleString("en")} one-minute bars, from the request to the end of the sweep\n`,
  );
  process.stdout.write(`${table.toString()}\n`);
  const figures = {
    oneWorkerS: seconds(one),
    twoWorkersS: seconds(two),
    speedup: median(speedups),
    loopS: seconds(loop),
    oneWorkerProcessorS: processorS(one),
    twoWorkersProcessorS: processorS(two),
    loopProcessorS: processorS(loop),
  };
  process.stdout.write(`${JSON.stringify({ ...figures, runs: RUNS, bars: BARS, rounds })}\n`);
}

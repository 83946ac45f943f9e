import Table from "cli-table3";
import { memoryMb } from "#local/memory.ts";
import { say, step, Trouble } from "#local/say.ts";
import { inScratch, type Scratch } from "#local/scratch.ts";
import { startServers } from "#local/servers.ts";
import { type Crowd, startCrowd } from "./crowd.ts";
import { processorMs } from "./processor-time.ts";
import { quantile } from "./quantile.ts";
import { BURST_AT_MS, CYCLE_MS } from "./strategies/on-close.ts";

interface Plan {
  sessions: number;
  /** So many of them order at one close. */
  burst: number;
  rounds: number;
  processes: boolean;
}

/** First, median and last of what happened after a close, in milliseconds from it. */
type Spread = readonly [first: number, median: number, last: number];

/** What one crowd came to. */
interface Figures {
  sessions: number;
  /** From the first creation until all were RUNNING. */
  runningMs: number;
  /** Of all processes of the engine. */
  memoryMb: number;
  /** From the close to the signals of all sessions. */
  signals: Spread;
  /** From the close to the requests of a burst's orders. */
  sent: Spread;
  orders: number;
  processorMsAnOrder: { all: number; engine: number; postgres: number; redis: number };
}

/** After a close with orders, until all of them are settled, in milliseconds at most. */
const SETTLED_WITHIN_MS = 180_000;
/** By then all signals of a close are made. */
const SIGNALS_WITHIN_MS = 10_000;
/** Before it, in milliseconds: nothing but bars. */
const QUIET_MS = 5_000;
const RUNNING_WITHIN_MS = 120_000;

const sleepUntil = (atMs: number) => Bun.sleep(Math.max(0, atMs - Date.now()));

function spreadOf(values: readonly number[]): Spread {
  return [quantile(values, 0), quantile(values, 0.5), quantile(values, 1)];
}

/** The next close at this time of the cycle, with the quiet time before it. */
function nextClose(atMs: number): number {
  const earliest = Date.now() + QUIET_MS + 1_000;
  return Math.ceil((earliest - atMs) / CYCLE_MS) * CYCLE_MS + atMs;
}

/** Processor time by who used it. */
function meter(scratch: Scratch, crowd: Crowd) {
  const pidsOf = (names: readonly string[]) =>
    names.map((name) => scratch.supervisor.pidOf(name)).filter((pid) => pid !== null);
  const [engine, postgres, redis] = [pidsOf(crowd.programs), pidsOf(["postgres"]), pidsOf(["redis"])];
  return {
    read: () => ({ engine: processorMs(engine), postgres: processorMs(postgres), redis: processorMs(redis) }),
    memoryMb: () => engine.map(memoryMb).reduce((sum, each) => sum + each, 0),
  };
}

type Used = ReturnType<ReturnType<typeof meter>["read"]>;
const NAMES = ["engine", "postgres", "redis"] as const;

/** What a close with orders used more than as much time without. */
function usedMore(quiet: readonly [Used, Used], busy: readonly [Used, Used], busyMs: number): Used {
  const more = (name: (typeof NAMES)[number]): number =>
    busy[1][name] - busy[0][name] - ((quiet[1][name] - quiet[0][name]) * busyMs) / QUIET_MS;
  return { engine: more("engine"), postgres: more("postgres"), redis: more("redis") };
}

async function untilSettled(crowd: Crowd): Promise<void> {
  const untilMs = performance.now() + SETTLED_WITHIN_MS;
  while (!(await crowd.isSettled())) {
    if (performance.now() > untilMs)
      throw new Trouble(`Orders of one close take more than ${SETTLED_WITHIN_MS / 1_000} s.`);
    await Bun.sleep(200);
  }
}

async function measureClose(crowd: Crowd, read: () => Used, closeAtMs: number) {
  await sleepUntil(closeAtMs - QUIET_MS - 500);
  const before = read();
  await sleepUntil(closeAtMs - 500);
  const began = read();
  await sleepUntil(closeAtMs + 2_000);
  await untilSettled(crowd);
  const used = usedMore([before, began], [began, read()], Date.now() - (closeAtMs - 500));
  const untilMs = closeAtMs + SIGNALS_WITHIN_MS;
  await sleepUntil(untilMs);
  const signals = await crowd.signals(closeAtMs, untilMs);
  const orders = await crowd.orders(closeAtMs, untilMs);
  return {
    used,
    signals: signals.map((atMs) => atMs - closeAtMs),
    sent: orders.flatMap(({ sentAtMs }) => (sentAtMs === null ? [] : [sentAtMs - closeAtMs])),
  };
}

async function measure(scratch: Scratch, { sessions, burst, rounds, processes }: Plan): Promise<Figures> {
  const servers = await startServers(scratch.supervisor, scratch.data, { durable: true, given: {} });
  const crowd = await step(`Services ${processes ? "one process each" : "in one process"}`, () =>
    startCrowd(scratch, servers, { processes }),
  );
  try {
    const beganMs = performance.now();
    const bursting = Math.min(burst, sessions);
    await step(`${sessions} sessions created, started and RUNNING`, async () => {
      const added = await Promise.all([
        crowd.add(bursting, "in-bursts-too"),
        crowd.add(sessions - bursting, "at-minutes"),
      ]);
      await crowd.untilRunning(added.flat(), RUNNING_WITHIN_MS);
    });
    const runningMs = performance.now() - beganMs;
    const { read, memoryMb: memory } = meter(scratch, crowd);
    const signals: number[] = [];
    const sent: number[] = [];
    const used: Used[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      await step(`Round ${round} of ${rounds}`, async (line) => {
        const all = await measureClose(crowd, read, nextClose(0));
        signals.push(...all.signals);
        const some = await measureClose(crowd, read, nextClose(BURST_AT_MS));
        sent.push(...some.sent);
        used.push(some.used);
        const last = (values: readonly number[]) => quantile(values, 1).toFixed(0);
        line.say(
          `${all.signals.length} signals, last after ${last(all.signals)} ms; ${some.sent.length} orders, last after ${last(some.sent)} ms`,
        );
      });
    }
    const anOrder = (name: (typeof NAMES)[number]) => used.reduce((sum, each) => sum + each[name], 0) / sent.length;
    const [engine, postgres, redis] = [anOrder("engine"), anOrder("postgres"), anOrder("redis")];
    return {
      sessions,
      runningMs,
      memoryMb: memory(),
      signals: spreadOf(signals),
      sent: spreadOf(sent),
      orders: sent.length,
      processorMsAnOrder: { all: engine + postgres + redis, engine, postgres, redis },
    };
  } finally {
    await crowd.close();
  }
}

const rounded = (value: number, digits = 0): number => Number(value.toFixed(digits));

function show(found: readonly Figures[]): void {
  const table = new Table({
    style: { head: [], border: [] },
    head: [
      "sessions",
      "all RUNNING s",
      "memory MB",
      "close → signal ms (first, median, last)",
      "orders",
      "close → sent ms (first, median, last)",
      "processor ms an order (Bun, Postgres, Redis)",
    ],
    colAligns: ["right", "right", "right", "right", "right", "right", "right"],
  });
  for (const figures of found) {
    const { all, engine, postgres, redis } = figures.processorMsAnOrder;
    table.push([
      figures.sessions,
      (figures.runningMs / 1_000).toFixed(1),
      figures.memoryMb.toFixed(0),
      figures.signals.map((ms) => ms.toFixed(0)).join(", "),
      figures.orders,
      figures.sent.map((ms) => ms.toFixed(0)).join(", "),
      `${all.toFixed(1)} (${[engine, postgres, redis].map((ms) => ms.toFixed(1)).join(", ")})`,
    ]);
  }
  process.stdout.write(`${table.toString()}\n`);
}

/**
 * Crowds of sessions on one market of one-second bars: how long until all run, from a candle's close to the signals of all of
 * them, and from a close to the requests of a burst of orders, with memory and processor time. Prints a table, then one JSON
 * line.
 */
export async function benchSessions(options: {
  sessions: readonly number[];
  burst: number;
  rounds: number;
  processes: boolean;
}): Promise<void> {
  const found: Figures[] = [];
  for (const sessions of options.sessions) {
    say(`${sessions} sessions`);
    const place = { prefix: "r3edge-bench-", command: "bench sessions" };
    found.push(await inScratch(place, (scratch) => measure(scratch, { ...options, sessions })));
  }
  show(found);
  const lines = found.map(({ runningMs, memoryMb: memory, signals, sent, processorMsAnOrder, ...counts }) => ({
    ...counts,
    runningMs: rounded(runningMs),
    memoryMb: rounded(memory),
    lastSignalMs: rounded(signals[2]),
    sentMs: sent.map((ms) => rounded(ms)),
    processorMsAnOrder: rounded(processorMsAnOrder.all, 1),
  }));
  process.stdout.write(`${JSON.stringify({ crowds: lines, processes: options.processes })}\n`);
}

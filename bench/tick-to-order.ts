import Table from "cli-table3";
import { say, step } from "#local/say.ts";
import { inScratch, type Scratch } from "#local/scratch.ts";
import { startServers } from "#local/servers.ts";
import type { Order } from "#shared/domain/order.ts";
import { type FloorChain, startFloorChain } from "./floor-chain.ts";
import { quantile } from "./quantile.ts";
import { startTickerEngine, type TickerEngine } from "./ticker-engine.ts";

/** Open loop: ticks come at this rate whatever becomes of them. */
const TICKS_PER_S = 20;
/** Ticks go around so many markets, so that an order has time until its session's next tick. */
const MARKETS = 4;
const TICKS_A_ROUND = 420;
const FLOOR_TICKS_A_ROUND = 160;
const WARM_UP_TICKS = 240;

interface Plan {
  /** A process for each service, and for each hop of the floor. */
  processes: boolean;
  rounds: number;
}

/** What one tick took from hop to hop, in milliseconds. */
type Hops = readonly number[];

const HOPS = [
  ["frame in data-collect → signal in strategy-executor", "two stream hops, candle, strategy"],
  ["signal → decision in risk-manager", "commit, wake-up, lock and read"],
  ["decision → intent in order-position-tracker", "commit, wake-up, lease"],
  ["intent → request leaves", "commit, signature"],
] as const;

function hopsOf({ receivedAtMs, signalAtMs, decidedAtMs, submittedAtMs, sentAtMs }: Order): Hops | null {
  if (submittedAtMs === null || sentAtMs === null) return null;
  return differences([receivedAtMs, signalAtMs, decidedAtMs, submittedAtMs, sentAtMs]);
}

function differences(stamps: readonly number[]): Hops {
  return stamps.slice(1).map((stamp, index) => stamp - (stamps[index] ?? 0));
}

const sum = (hops: Hops): number => hops.reduce((total, ms) => total + ms, 0);

/** Calls `tick` at a fixed rate, late ones at once, and does not wait for what it does. */
async function openLoop(ticks: number, tick: (index: number) => void): Promise<void> {
  const began = performance.now();
  for (let index = 0; index < ticks; index += 1) {
    const waitMs = began + (index * 1_000) / TICKS_PER_S - performance.now();
    if (waitMs > 0) await Bun.sleep(waitMs);
    tick(index);
  }
  // What is under way has this long to arrive; an order that takes longer is missing from the count.
  await Bun.sleep(1_000);
}

async function engineRound(engine: TickerEngine, ticks: number): Promise<Hops[]> {
  const now = (): number => performance.timeOrigin + performance.now();
  const fromMs = now();
  const failures: unknown[] = [];
  await openLoop(ticks, (index) => {
    engine.tick(index % MARKETS).catch((error: unknown) => failures.push(error));
  });
  if (failures.length > 0) throw failures[0];
  const orders = await engine.orders(fromMs, now());
  return orders.map(hopsOf).filter((hops) => hops !== null);
}

async function floorRound(floor: FloorChain, ticks: number): Promise<Hops[]> {
  floor.taken();
  await openLoop(ticks, () => floor.tick());
  return floor.taken().map(differences);
}

async function measure(scratch: Scratch, { processes, rounds }: Plan): Promise<{ engine: Hops[]; floor: Hops[] }> {
  const servers = await startServers(scratch.supervisor, scratch.data, { durable: true, given: {} });
  const where = processes ? "one process each" : "in one process";
  const engine = await step(`Services ${where}, and a session on each of ${MARKETS} markets`, () =>
    startTickerEngine(scratch, servers, { markets: MARKETS, processes }),
  );
  const floor = await step("The floor's chain", () => startFloorChain(servers, { processes }));
  try {
    await step(`Warm-up, ${WARM_UP_TICKS} ticks`, async () => {
      await engineRound(engine, WARM_UP_TICKS);
      await floorRound(floor, WARM_UP_TICKS / 4);
    });
    const found = { engine: [] as Hops[], floor: [] as Hops[] };
    for (let round = 1; round <= rounds; round += 1) {
      await step(`Round ${round} of ${rounds}`, async (line) => {
        const orders = await engineRound(engine, TICKS_A_ROUND);
        const bare = await floorRound(floor, FLOOR_TICKS_A_ROUND);
        found.engine.push(...orders);
        found.floor.push(...bare);
        const p50 = (all: Hops[]): string => quantile(all.map(sum), 0.5).toFixed(2);
        line.say(`${orders.length} orders, median ${p50(orders)} ms; floor ${p50(bare)} ms`);
      });
    }
    return found;
  } finally {
    await floor.close();
    await engine.close();
  }
}

function show({ engine, floor }: { engine: Hops[]; floor: Hops[] }): void {
  const table = new Table({
    style: { head: [], border: [] },
    head: ["hop", "what it is", "p50 ms", "p99 ms", "floor p50 ms", "floor p99 ms"],
    colAligns: ["left", "left", "right", "right", "right", "right"],
  });
  const row = (name: string, what: string, of: (hops: Hops) => number): void => {
    const [ours, bare] = [engine.map(of), floor.map(of)];
    const figures = [ours, bare].flatMap((all) => [quantile(all, 0.5), quantile(all, 0.99)]);
    table.push([name, what, ...figures.map((ms) => ms.toFixed(2))]);
  };
  for (const [index, [name, what]] of HOPS.entries()) row(name, what, (hops) => hops[index] ?? 0);
  row("tick to order", "all of it", sum);
  process.stdout.write(`${table.toString()}\n`);
}

/**
 * Times the way from a trade frame's arrival in data-collect to the order request leaving order-position-tracker, beside
 * the bare chain of the same commits, wake-ups and XADDs, in turns on the same servers (Redis with AOF everysec, Postgres
 * with synchronous commit). Prints a table of where the time goes, then one JSON line.
 */
export async function benchTickToOrder(options: { oneProcess: boolean; rounds: number }): Promise<void> {
  const plan: Plan = { processes: !options.oneProcess, rounds: options.rounds };
  const found = await inScratch({ prefix: "r3edge-bench-", command: "bench tick-to-order" }, (scratch) =>
    measure(scratch, plan),
  );
  show(found);
  const ticks = plan.rounds * TICKS_A_ROUND;
  const orders = found.engine.length;
  if (orders < ticks) say(`${ticks - orders} of ${ticks} ticks made no order: their session still waited for one.`);
  const at = (all: Hops[], share: number): number => Number(quantile(all.map(sum), share).toFixed(3));
  const figures = {
    p50Ms: at(found.engine, 0.5),
    p99Ms: at(found.engine, 0.99),
    floorP50Ms: at(found.floor, 0.5),
    floorP99Ms: at(found.floor, 0.99),
    orders,
  };
  const ratios = { ratioP50: figures.p50Ms / figures.floorP50Ms, ratioP99: figures.p99Ms / figures.floorP99Ms };
  const rounded = Object.fromEntries(Object.entries(ratios).map(([name, value]) => [name, Number(value.toFixed(2))]));
  process.stdout.write(`${JSON.stringify({ ...figures, ...rounded, ticks, processes: plan.processes })}\n`);
}

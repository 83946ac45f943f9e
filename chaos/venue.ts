import Table from "cli-table3";
import { z } from "zod";
import { setFaults, strikesOf } from "#demo/venue-faults.ts";
import { getJson, postJson } from "#local/rest.ts";
import { type Step, say, step, Trouble } from "#local/say.ts";
import { inScratch, type Scratch } from "#local/scratch.ts";
import { startServers } from "#local/servers.ts";
import { readEngine, readVenue, type Subject } from "./books.ts";
import { type Seat, spells } from "./fault-schedule.ts";
import { type MarketWorld, startMarketWorld } from "./market-world.ts";
import { violations } from "./verdict.ts";

/** Markets that misbehave side by side. */
const MARKETS = 3;
/** What was broken has to be whole again within this time of the last fault. */
const HEALED_WITHIN_MS = 90_000;
/** A feed that was refused is begun again after pauses of up to a minute. */
const SETTLED_WITHIN_MS = 60_000;

export interface ChaosOptions {
  seed: number;
  seconds: number;
}

/** What came of a run. */
interface Outcome {
  struck: ReadonlyMap<string, number>;
  orders: number;
  fills: number;
  candles: number;
  alerts: Record<string, number>;
  violations: string[];
}

/** Lets one market suffer until its time is over; gives how often each fault struck. */
async function suffer({ access }: Subject, seat: Seat, untilMs: number): Promise<Map<string, number>> {
  const struck = new Map<string, number>();
  for (const { pauseMs, lastsMs, faults } of spells(seat)) {
    if (performance.now() + pauseMs > untilMs) break;
    await Bun.sleep(pauseMs);
    await setFaults(access.url, seat.seed, faults);
    await Bun.sleep(Math.max(0, Math.min(lastsMs, untilMs - performance.now())));
    for (const { fault, struck: times } of await strikesOf(access.url))
      struck.set(fault, (struck.get(fault) ?? 0) + times);
    await setFaults(access.url, 1, []);
  }
  return struck;
}

async function misbehave(
  line: Step,
  world: MarketWorld,
  { seed, seconds }: ChaosOptions,
): Promise<Map<string, number>> {
  const beganMs = performance.now();
  const untilMs = beganMs + seconds * 1_000;
  const show = async (): Promise<void> => {
    const [row] = await world.sql<
      { orders: number }[]
    >`select count(*)::int as orders from order_position_tracker.orders`;
    line.say(`${Math.round((performance.now() - beganMs) / 1_000)} of ${seconds} s, ${row?.orders ?? 0} orders`);
  };
  const shown = setInterval(() => void show().catch(() => undefined), 1_000);
  try {
    const all = await Promise.all(
      world.subjects.map((subject, market) => suffer(subject, { seed, market, markets: MARKETS }, untilMs)),
    );
    const total = new Map<string, number>();
    for (const one of all) for (const [fault, times] of one) total.set(fault, (total.get(fault) ?? 0) + times);
    return total;
  } finally {
    clearInterval(shown);
  }
}

const sessionSchema = z.object({
  state: z.string(),
  stateReason: z.string().nullable(),
  degraded: z.array(z.object({ code: z.string(), text: z.string() })),
});

async function sessionsOf({ urls, sessions }: MarketWorld) {
  const base = `${urls["session-manager"]}/api/session-manager/sessions`;
  return Promise.all(sessions.map(async (id) => ({ id, ...sessionSchema.parse(await getJson(`${base}/${id}`)) })));
}

/** What is missing yet, as a sentence. `forever`: no time will bring it. */
interface Lack {
  sentence: string;
  forever?: boolean;
}

/** Awaits that nothing is missing; a sentence where it is not so in time. */
async function within(ms: number, lacking: () => Promise<Lack | null>): Promise<string | null> {
  const untilMs = performance.now() + ms;
  for (;;) {
    const lack = await lacking();
    if (lack === null || lack.forever === true || performance.now() > untilMs) return lack?.sentence ?? null;
    await Bun.sleep(200);
  }
}

/** Why the engine is not whole again: every session runs with nothing missing, and has the newest bar. */
async function notHealed(world: MarketWorld): Promise<Lack | null> {
  for (const { id, state, stateReason, degraded } of await sessionsOf(world)) {
    if (state !== "RUNNING") {
      const sentence = `the session ${id} is ${state}: ${stateReason ?? "no reason"}`;
      return { sentence, forever: state === "FAULTED" };
    }
    if (degraded.length > 0) {
      return { sentence: `the session ${id} is degraded: ${degraded.map(({ code }) => code).join(", ")}` };
    }
  }
  const rows = await world.sql<{ instrument_id: string; behind: number }[]>`
    select instrument_id, (extract(epoch from now()) * 1000 - head_open_at_ms)::int as behind
    from market_data.series where time_frame = '1s' and extract(epoch from now()) * 1000 - head_open_at_ms > 5000`;
  const late = rows[0];
  return late === undefined ? null : { sentence: `the candles of ${late.instrument_id} are ${late.behind} ms behind` };
}

async function notSettled(world: MarketWorld): Promise<Lack | null> {
  const running = (await sessionsOf(world)).filter(({ state }) => state !== "STOPPED" && state !== "FAULTED");
  if (running.length > 0) return { sentence: `the session ${running[0]?.id} is ${running[0]?.state}` };
  const [open] = await world.sql<{ tasks: number; orders: number }[]>`
    select (select count(*)::int from queue.tasks where state <> 'done') as tasks,
      (select count(*)::int from order_position_tracker.orders where is_open) as orders`;
  if (open === undefined || open.tasks + open.orders === 0) return null;
  return { sentence: `${open.tasks} tasks and ${open.orders} orders are open` };
}

async function judge(
  world: MarketWorld,
): Promise<Pick<Outcome, "violations" | "orders" | "fills" | "candles" | "alerts">> {
  const found: string[] = [];
  let [fills, candles] = [0, 0];
  for (const subject of world.subjects) {
    const engine = await readEngine(world.sql, subject);
    const span = { fromMs: engine.bars[0]?.openAtMs ?? 0, toMs: engine.bars.at(-1)?.openAtMs ?? 0 };
    const venue = await readVenue(subject, span);
    found.push(...violations(subject.accountId, venue, engine));
    fills += engine.executions.length;
    candles += engine.bars.length;
  }
  const [counts] = await world.sql<{ orders: number; unbooked: number }[]>`
    select (select count(*)::int from order_position_tracker.orders) as orders,
      (select count(*)::int from order_position_tracker.unbooked) as unbooked`;
  if ((counts?.unbooked ?? 0) > 0) found.push(`${counts?.unbooked} executions were kept unbooked`);
  const rows = await world.sql<{ code: string; count: number }[]>`
    select envelope -> 'data' ->> 'code' as code, count(*)::int as count from bus.log
    where topic = 'alerts' and type = 'alert.raised' group by 1 order by 1`;
  const alerts = Object.fromEntries(rows.map(({ code, count }) => [code, count]));
  for (const code of ["DOUBLE_EXECUTION", "OVER_FILL", "FOREIGN_FILL", "BALANCE_MISMATCH"]) {
    if (alerts[code] !== undefined) found.push(`${alerts[code]} alerts ${code} were raised`);
  }
  return { violations: found, orders: counts?.orders ?? 0, fills, candles, alerts };
}

async function run(scratch: Scratch, options: ChaosOptions): Promise<Outcome> {
  const servers = await startServers(scratch.supervisor, scratch.data, { durable: true, given: {} });
  const world = await step(`Services, and two sessions on each of ${MARKETS} synthetic markets`, () =>
    startMarketWorld(scratch, servers, { seed: options.seed, markets: MARKETS }),
  );
  try {
    const struck = await step("The venues misbehave", (line) => misbehave(line, world, options));
    const ill = await step("They behave, and the engine heals", () => within(HEALED_WITHIN_MS, () => notHealed(world)));
    const open = await step("Sessions stopped, and every order at its end", async () => {
      for (const id of world.sessions) {
        const url = `${world.urls["session-manager"]}/api/session-manager/sessions/${id}/stop`;
        await postJson(url, {}, { accept: [409] });
      }
      return within(SETTLED_WITHIN_MS, () => notSettled(world));
    });
    const judged = await step("Venues' ledgers and the engine's books compared", () => judge(world));
    const unhealed = [ill, open].filter((one) => one !== null).map((one) => `not healed: ${one}`);
    return { struck, ...judged, violations: [...unhealed, ...judged.violations] };
  } finally {
    await world.close();
  }
}

const MOST_SHOWN = 20;

/**
 * Sessions trade on synthetic markets that misbehave as the seed draws it. Then the venues behave, and what they did is
 * compared with what the engine has booked: each intent executed once, fills one to one, balances to the last digit, each
 * candle stored once. Throws where something differs.
 */
export async function chaosVenue(options: ChaosOptions): Promise<void> {
  const {
    struck,
    violations: found,
    ...figures
  } = await inScratch({ prefix: "r3edge-chaos-", command: "chaos venue" }, (scratch) => run(scratch, options));
  const table = new Table({ head: ["fault", "struck"], style: { head: [], border: [] }, colAligns: ["left", "right"] });
  for (const [fault, times] of [...struck].toSorted(([a], [b]) => (a < b ? -1 : 1))) table.push([fault, times]);
  say(table.toString());
  for (const one of found.slice(0, MOST_SHOWN)) say(`  ${one}`);
  if (found.length > MOST_SHOWN) say(`  and ${found.length - MOST_SHOWN} more`);
  const line = { ...options, ...figures, faults: Object.fromEntries(struck), violations: found.length };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  if (found.length > 0) throw new Trouble(`${found.length} violations; the same seed draws the same faults again.`);
}

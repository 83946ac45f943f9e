import { shuffled } from "#local/shuffled.ts";
import { randomFrom } from "#shared/random/random-from.ts";
import { FAILPOINTS, type Failpoint } from "#shared/service/failpoints.ts";

/** Servers that are killed from outside; the other kills happen at failpoints, inside the process that dies. */
export const SERVER_KILLS = ["redis.killed", "postgres.killed"] as const;
export type ServerKill = (typeof SERVER_KILLS)[number];
export type KillPoint = Failpoint | ServerKill;

/** Every kill there is. */
export const KILL_POINTS: readonly KillPoint[] = [...FAILPOINTS, ...SERVER_KILLS];

/** Failpoints passed once an order, not once a bar. */
const ORDER_POINTS: ReadonlySet<KillPoint> = new Set<KillPoint>([
  "tracker.intent-committed",
  "tracker.order-sent",
  "tracker.fill-received",
  "risk.decision-made",
  "paper-exchange.committed",
]);

/** A kill that is to happen at the first passing of `point` at or after this bar, or this order. */
export interface PlannedKill {
  point: KillPoint;
  bar?: number;
  order?: number;
}

export interface PlanOptions {
  seed: number;
  kills: number;
  bars: number;
  /** The bars after which the session orders, in the order of its orders. */
  orderBars: readonly number[];
}

/** One deck, shuffled once: consecutive seeds get the cards that follow each other, so that a few of them cover all. */
const DECK = shuffled(KILL_POINTS, randomFrom(20_260_101));

/** No kill in the last bars: its place has to be passed, and what it broke has to heal, within the run. */
const QUIET_BARS = 5;

/**
 * Draws kills without replacement and spreads them over the run. The same options give the same plan.
 * @throws RangeError with more kills than points, or a run too short to hold an order.
 */
export function planKills(options: PlanOptions): PlannedKill[] {
  const { seed, kills, bars, orderBars } = options;
  if (kills > DECK.length) throw new RangeError(`There are ${DECK.length} kills to draw from, not ${kills}.`);
  const orders = orderBars.filter((bar) => bar <= bars - QUIET_BARS);
  const first = orders[0];
  if (kills > 0 && (first === undefined || orders.length < kills))
    throw new RangeError(`The first ${bars} bars hold ${orders.length} orders, too few for ${kills} kills.`);
  const random = randomFrom(seed);
  const start = ((seed - 1) * kills) % DECK.length;
  return Array.from({ length: kills }, (_, index) => {
    const point = DECK[(((start + index) % DECK.length) + DECK.length) % DECK.length] ?? "redis.killed";
    // Each kill strikes in its own stretch of the orders there are, so that no two fall together.
    const from = Math.floor((orders.length * index) / kills);
    const to = Math.floor((orders.length * (index + 1)) / kills);
    const order = from + Math.floor(random() * (to - from)) + 1;
    return ORDER_POINTS.has(point) ? { point, order } : { point, bar: orders[order - 1] ?? bars };
  });
}

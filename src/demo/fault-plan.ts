import { shuffled } from "#local/shuffled.ts";
import { randomFrom } from "#shared/random/random-from.ts";

/** A fault of the simulated venue as its control takes it: src/services/paper-exchange/README.md lists them. */
export interface VenueFault {
  fault: string;
  [parameter: string]: string | number;
}

/** Faults that are set together at the first look at or after a bar, and stay until each has struck. */
export interface PlannedFault {
  bar: number;
  faults: readonly VenueFault[];
}

/** How far the venue's lists may lag in a demo with faults, and by how much they do. */
export const LIST_LAG_MS = 1_500;
const LAG_MS = 1_000;

const ORDER = "POST order";

/**
 * Every fault that changes nothing of what the venue executes, if the engine does what is right: so orders and equity still
 * equal the backtest's to the last digit.
 */
const HARMLESS: readonly (readonly VenueFault[])[] = [
  [{ fault: "request-lost", what: ORDER, times: 1 }],
  [{ fault: "answer-lost", what: ORDER, times: 1 }],
  [{ fault: "answer-5xx", what: ORDER, status: 502, times: 1 }],
  [{ fault: "answer-5xx", status: 503, times: 3 }],
  [{ fault: "answer-delayed", what: ORDER, delayMs: 400, times: 1 }],
  [
    { fault: "lists-lag", lagMs: LAG_MS, forMs: 5_000 },
    { fault: "answer-lost", what: ORDER, times: 1 },
    { fault: "stream-silent", kind: "user", forMs: 5_000 },
  ],
  [
    { fault: "bars-lag", lagMs: LAG_MS, forMs: 4_000 },
    { fault: "bar-dropped", times: 1 },
  ],
  [{ fault: "bar-dropped", times: 2 }],
  [{ fault: "bar-corrupted", times: 1 }],
  [{ fault: "stream-silent", kind: "user", forMs: 3_000 }],
  [{ fault: "stream-delayed", kind: "user", delayMs: 300, times: 3 }],
  [{ fault: "stream-doubled", kind: "user", times: 3 }],
  [{ fault: "stream-turned", kind: "user", times: 1 }],
  [{ fault: "stream-silent", kind: "market", forMs: 3_000 }],
  [
    { fault: "subscription-unanswered", kind: "market", times: 1 },
    { fault: "disconnect", kind: "market", times: 1 },
  ],
  [
    { fault: "subscription-late", kind: "market", delayMs: 500, times: 1 },
    { fault: "disconnect", kind: "market", times: 1 },
  ],
  [{ fault: "disconnect", kind: "all", times: 1 }],
  [{ fault: "banned", status: 429, retryAfterMs: 1_000, times: 1 }],
  [{ fault: "banned", status: 418, retryAfterMs: 2_000, times: 1 }],
  [{ fault: "clock-off", aheadMs: 3_000, forMs: 4_000 }],
  [{ fault: "clock-off", aheadMs: -3_000, forMs: 4_000 }],
];

/** No fault begins in the last bars: it has to strike, and what it broke to heal, within the run. */
const QUIET_SHARE = 0.9;

/** A fault stays so many bars after it was set, or until its time is over: what it breaks is met more than once. */
export const KEPT_BARS = 5;

/** All of them, in the order that the seed draws, spread over the run. The same options give the same plan. */
export function planFaults({ seed, bars }: { seed: number; bars: number }): PlannedFault[] {
  return shuffled(HARMLESS, randomFrom(seed)).map((faults, index, all) => ({
    bar: Math.floor((bars * QUIET_SHARE * index) / all.length) + 1,
    faults,
  }));
}

/** Whether it passes only what an order brings about: its request, its frames, its place in the lists. */
function needsOrder({ fault, what, kind }: VenueFault): boolean {
  return what === ORDER || kind === "user" || fault === "lists-lag";
}

/**
 * The bar at which the last fault of a plan has struck and is gone. One that needs an order meets the first after it was set,
 * and the next fault waits for it. Infinity: there are too few orders.
 */
function lastStrike(plan: readonly PlannedFault[], orderBars: readonly number[]): number {
  return plan.reduce((before, { bar, faults }) => {
    const setAt = Math.max(bar, before);
    const needed = faults.some(needsOrder) ? (orderBars.find((at) => at > setAt) ?? Number.POSITIVE_INFINITY) : setAt;
    return Math.max(needed, setAt + KEPT_BARS) + 1;
  }, 0);
}

/** From so many bars on each fault of a seed's plan strikes within the run. `most` and one: not even there. */
export function fewestBars(seed: number, { most, orderBars }: { most: number; orderBars: readonly number[] }): number {
  const fits = (bars: number): boolean => lastStrike(planFaults({ seed, bars }), orderBars) <= bars;
  let bars = most;
  while (bars > 0 && fits(bars)) bars -= 1;
  return bars + 1;
}

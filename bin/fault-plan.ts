import { randomFrom } from "#shared/random/random-from.ts";
import { shuffled } from "./shuffled.ts";

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

/** All of them, in the order that the seed draws, spread over the run. The same options give the same plan. */
export function planFaults({ seed, bars }: { seed: number; bars: number }): PlannedFault[] {
  return shuffled(HARMLESS, randomFrom(seed)).map((faults, index, all) => ({
    bar: Math.floor((bars * QUIET_SHARE * index) / all.length) + 1,
    faults,
  }));
}

import type { VenueFault } from "#demo/fault-plan.ts";
import { shuffled } from "#local/shuffled.ts";
import { randomFrom } from "#shared/random/random-from.ts";

/** What a market suffers next: after a pause, for a while. */
export interface Spell {
  pauseMs: number;
  lastsMs: number;
  faults: readonly VenueFault[];
}

type Random = () => number;
const between = (random: Random, least: number, most: number): number => Math.round(least + random() * (most - least));

/** How far the lists of the markets may lag by their settings, and by how much they do at most. */
export const LIST_LAG_MS = 4_000;
const MOST_LAG_MS = 3_500;
const ORDER = "POST order";

/**
 * What every market suffers first: the two faults that do the most harm where they are misread. Answers to orders are lost
 * while every list is too old to show them, so that an order which is sent again too early is executed twice. And bars are
 * dropped. So no run has to be lucky with its seed to find who misreads them.
 */
const OPENING: readonly Omit<Spell, "pauseMs">[] = [
  {
    lastsMs: 5_000,
    faults: [
      { fault: "lists-lag", lagMs: MOST_LAG_MS },
      { fault: "answer-5xx", what: ORDER, probability: 1 },
      { fault: "stream-silent", kind: "user" },
    ],
  },
  { lastsMs: 4_000, faults: [{ fault: "bar-dropped", probability: 0.5 }] },
];

/** Every fault but the two after which the venue's own word of its past changes: those have tests of their own. */
const DRAWN: readonly ((random: Random) => readonly VenueFault[])[] = [
  () => [{ fault: "request-lost", what: ORDER, probability: 0.5 }],
  () => [{ fault: "answer-lost", what: ORDER, probability: 0.5 }],
  (random) => [{ fault: "answer-lost", probability: 0.3 * random() }],
  () => [{ fault: "answer-5xx", what: ORDER, probability: 0.5 }],
  (random) => [{ fault: "answer-5xx", status: 503, probability: 0.5 * random() }],
  (random) => [{ fault: "answer-delayed", delayMs: between(random, 50, 1_500), probability: 0.5 }],
  (random) => [
    { fault: "lists-lag", lagMs: between(random, MOST_LAG_MS / 2, MOST_LAG_MS) },
    { fault: "answer-5xx", what: ORDER, probability: 0.7 },
    { fault: "stream-silent", kind: "user" },
  ],
  (random) => [
    { fault: "lists-lag", lagMs: between(random, MOST_LAG_MS / 2, MOST_LAG_MS) },
    { fault: "stream-silent", kind: "user" },
  ],
  (random) => [
    { fault: "bars-lag", lagMs: between(random, 500, 4_000) },
    { fault: "bar-dropped", probability: 0.5 },
  ],
  () => [{ fault: "bar-dropped", probability: 0.5 }],
  () => [{ fault: "bar-corrupted", probability: 0.5 }],
  () => [{ fault: "stream-silent", kind: "user" }],
  () => [{ fault: "stream-silent", kind: "market" }],
  (random) => [{ fault: "stream-delayed", kind: "user", delayMs: between(random, 20, 1_000), probability: 0.5 }],
  (random) => [{ fault: "stream-delayed", kind: "market", delayMs: between(random, 20, 1_000), probability: 0.5 }],
  () => [{ fault: "stream-doubled", kind: "user" }],
  () => [{ fault: "stream-doubled", kind: "market" }],
  () => [{ fault: "stream-turned", kind: "user", probability: 0.5 }],
  () => [{ fault: "stream-turned", kind: "market", probability: 0.3 }],
  () => [
    { fault: "subscription-unanswered", kind: "market", times: 1 },
    { fault: "disconnect", kind: "market", times: 1 },
  ],
  () => [
    { fault: "subscription-unanswered", kind: "user", times: 1 },
    { fault: "disconnect", kind: "user", times: 1 },
  ],
  (random) => [
    { fault: "subscription-late", kind: "market", delayMs: between(random, 100, 2_000), times: 1 },
    { fault: "disconnect", kind: "market", times: 1 },
  ],
  () => [{ fault: "disconnect", kind: "all", times: 1 }],
  (random) => [
    { fault: "banned", status: random() < 0.5 ? 418 : 429, retryAfterMs: between(random, 1_000, 3_000), times: 1 },
  ],
  (random) => [{ fault: "clock-off", aheadMs: between(random, -4_000, 4_000) }],
  () => [{ fault: "order-forgotten", times: 1 }],
  () => [{ fault: "order-unheard", times: 1 }],
  () => [{ fault: "cut-in-match", probability: 0.5 }],
  () => [{ fault: "halted" }],
  () => [{ fault: "delisted" }],
  () => [{ fault: "filters-changed", sizeStep: "0.001", minSize: "0.001" }],
  () => [{ fault: "filters-changed", maxSize: "0.004" }],
  () => [{ fault: "commission", share: "-0.0001" }],
  () => [{ fault: "commission", share: "0.00001", asset: "BNB" }],
];

/** One of the markets that misbehave side by side. */
export interface Seat {
  seed: number;
  market: number;
  markets: number;
}

/**
 * What a market suffers, one spell after the other: the opening, then all others. These are shuffled and dealt to the
 * markets in turn, so that each is suffered once by some market before any comes again.
 */
export function* spells({ seed, market, markets }: Seat): Generator<Spell, never> {
  const shuffling = randomFrom(seed);
  const random = randomFrom(seed * 1_000 + market);
  for (const spell of OPENING) yield { pauseMs: between(random, 200, 2_500), ...spell };
  for (let place = 0; ; ) {
    for (const draw of shuffled(DRAWN, shuffling)) {
      if (place++ % markets !== market) continue;
      yield { pauseMs: between(random, 200, 2_500), lastsMs: between(random, 2_000, 5_000), faults: draw(random) };
    }
  }
}

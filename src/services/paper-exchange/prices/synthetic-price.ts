import { Decimal, decimal, floorToStep, plain } from "#shared/domain/decimal.ts";
import { randomFrom } from "#shared/random/random-from.ts";

/** What the price of a synthetic market does for a while. quiet: hardly moves. range: around its start. trend: up or down. jump: sometimes by a percent at once. */
export const REGIMES = ["quiet", "range", "trend", "jump"] as const;
export type Regime = (typeof REGIMES)[number];

export interface SyntheticRules {
  seed: number;
  startPrice: string;
  /** How long a regime lasts, in milliseconds. */
  regimeMs: number;
  /** Mean time between two trades, in milliseconds. */
  tradeEveryMs: number;
  priceStep: string;
  sizeStep: string;
}

const VOLATILITY: Readonly<Record<Regime, number>> = { quiet: 0.00003, range: 0.0002, trend: 0.0002, jump: 0.0002 };
const DRIFT = 0.0001;
const PULL = 0.01;
const JUMP = 0.01;
const JUMP_CHANCE = 0.01;
/** The largest size of a trade, in steps. */
const MOST_STEPS = 5_000;

/** The numbers of one trade or one regime: drawn from the seed and its number alone, so that nothing but the number is remembered. */
function drawn(seed: number, of: number, salt: number): () => number {
  return randomFrom(Math.imul(seed ^ salt, 0x9e3779b1) ^ Math.imul(of + 1, 0x85ebca6b));
}

/** The regime that reigns at a moment, and the way a trend goes. */
export function regimeAt({ seed, regimeMs }: SyntheticRules, atMs: number): { regime: Regime; up: boolean } {
  const random = drawn(seed, Math.floor(atMs / regimeMs), 1);
  return { regime: REGIMES[Math.floor(random() * REGIMES.length)] ?? "quiet", up: random() < 0.5 };
}

/** How long after the trade before it a trade comes: half to one and a half times the mean, in whole milliseconds. */
export function pauseBefore({ seed, tradeEveryMs }: SyntheticRules, tradeId: number): number {
  return Math.max(1, Math.round(tradeEveryMs * (0.5 + drawn(seed, tradeId, 2)())));
}

/** Price and size of a trade: the last price moved as the regime has it, on the price step and never below it. */
export function tradeAfter(
  rules: SyntheticRules,
  last: { price: string; tradeId: number; atMs: number },
): { price: string; size: string } {
  const { seed, startPrice, priceStep, sizeStep } = rules;
  const random = drawn(seed, last.tradeId + 1, 3);
  const { regime, up } = regimeAt(rules, last.atMs);
  // The sum of three uniform draws is close enough to a normal distribution.
  const normal = (random() + random() + random() - 1.5) * 2;
  const now = Number(last.price);
  let move = normal * VOLATILITY[regime];
  if (regime === "trend") move += up ? DRIFT : -DRIFT;
  if (regime === "range") move += ((Number(startPrice) - now) / now) * PULL;
  if (regime === "jump" && random() < JUMP_CHANCE) move += random() < 0.5 ? JUMP : -JUMP;
  const step = decimal(priceStep);
  const price = Decimal.max(step, floorToStep(decimal((now * (1 + move)).toFixed(12)), step));
  const size = decimal(sizeStep).times(1 + Math.floor(random() * MOST_STEPS));
  return { price: plain(price), size: plain(size) };
}

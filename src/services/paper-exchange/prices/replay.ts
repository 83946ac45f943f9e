import { type Decimal, decimal, floorToStep, plain, ZERO } from "#shared/domain/decimal.ts";
import { barPath } from "#shared/matching/bar-path.ts";
import type { ReplayBar } from "./bars.ts";

/** A public trade of the simulated market. Ids grow by one from 1. */
export interface PublicTrade {
  id: number;
  price: string;
  size: string;
  atMs: number;
}

/** Prices a bar shows. */
export const POINTS = 4;

/** Where a replay stands: `bar` bars are closed, `points` prices of the next one were shown. */
export interface ReplayPosition {
  bar: number;
  points: number;
}

/**
 * Splits a bar's volume over its four prices: the first three get a quarter, floored to the size step, the last one what
 * is left. The parts sum up to the volume exactly.
 */
export function splitVolume(volume: Decimal, sizeStep: Decimal): [Decimal, Decimal, Decimal, Decimal] {
  const quarter = floorToStep(volume.div(POINTS), sizeStep);
  return [quarter, quarter, quarter, volume.minus(quarter.times(3))];
}

/** The four trades a bar shows. Trade ids follow from the bar's number: 4 (n - 1) + 1 to 4 n. */
export function tradesOf(bar: ReplayBar, sizeStep: string): PublicTrade[] {
  const sizes = splitVolume(decimal(bar.volume), decimal(sizeStep));
  return barPath(bar).map(({ price, atMs }, index) => ({
    id: (bar.n - 1) * POINTS + index + 1,
    price,
    size: plain(sizes[index] ?? ZERO),
    atMs,
  }));
}

/** The trades of all bars with these ids, both included, oldest first and at most so many. */
export function tradesBetween(
  bars: readonly ReplayBar[],
  sizeStep: string,
  { fromId, toId, limit }: { fromId: number; toId: number; limit: number },
): PublicTrade[] {
  const trades: PublicTrade[] = [];
  for (let n = Math.ceil(fromId / POINTS); trades.length < limit && (n - 1) * POINTS < toId; n += 1) {
    const bar = bars[n - 1];
    if (bar === undefined) break;
    for (const trade of tradesOf(bar, sizeStep))
      if (trade.id >= fromId && trade.id <= toId && trades.length < limit) trades.push(trade);
  }
  return trades;
}

/** The id of the last trade shown; 0: none. */
export function lastTradeIdOf(position: ReplayPosition): number {
  return position.bar * POINTS + position.points;
}

/** Which price was shown last: what a person reads in the state. */
export function phaseOf(position: ReplayPosition, bars: readonly ReplayBar[]): string {
  if (position.points === 0) return position.bar === 0 ? "start" : "bar-closed";
  const bar = bars[position.bar];
  if (bar === undefined) return "bar-closed";
  const lowFirst = decimal(bar.close).gte(decimal(bar.open));
  return ["open", lowFirst ? "low" : "high", lowFirst ? "high" : "low", "close"][position.points - 1] ?? "bar-closed";
}

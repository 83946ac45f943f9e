import { usable } from "#services/market-data/candles/candle-writer.ts";
import type { CandleSource, VenueBar } from "#shared/domain/candle.ts";

/** What a back-fill was asked for; of both, where both are there. */
export interface Target {
  /** All candles that opened then or later. */
  fromMs: number | null;
  /** So many candles, those of the series among them. */
  count: number | null;
}

/** How far a series is: how many candles it has, and down to which time the venue was read. */
export interface Place {
  count: number;
  cursorMs: number;
}

/** What a page of the venue's bars is to a back-fill. */
export interface PlacedPage extends Place {
  /** The bars that become candles, oldest first. */
  kept: readonly VenueBar[];
  isReached: boolean;
}

/** Whether nothing is left to do. */
export function isReached({ fromMs, count }: Target, at: Place): boolean {
  return (fromMs === null || at.cursorMs <= fromMs) && (count === null || at.count >= count);
}

/**
 * Takes of a page, the venue's newest bars before the cursor, oldest first and at least one, what is asked for. Bars that are left
 * over show that all of it is reached: a market has nights, so that no bar need open at `fromMs` itself.
 */
export function placePage(
  target: Target,
  at: Place & { source: CandleSource },
  bars: readonly [VenueBar, ...VenueBar[]],
): PlacedPage {
  const { fromMs, count } = target;
  const all = usable(at, bars);
  const byCount = count === null ? 0 : Math.min(Math.max(count - at.count, 0), all.length);
  const byTime = fromMs === null ? 0 : all.filter(({ openAtMs }) => openAtMs >= fromMs).length;
  const kept = all.slice(all.length - Math.max(byCount, byTime));
  const isCut = kept.length < all.length;
  const cursorMs = isCut ? (kept[0]?.openAtMs ?? at.cursorMs) : bars[0].openAtMs;
  const place = { count: at.count + kept.length, cursorMs };
  return { ...place, kept, isReached: isCut || isReached(target, place) };
}

/** Which share of the way from `begun` to the target is behind `at`, 0 to 1: of time, of candles, or the smaller of both. */
export function shareOf({ fromMs, count }: Target, begun: Place, at: Place): number {
  const byTime = fromMs === null ? 1 : share(begun.cursorMs - at.cursorMs, begun.cursorMs - fromMs);
  const byCount = count === null ? 1 : share(at.count - begun.count, count - begun.count);
  return Math.min(byTime, byCount);
}

function share(done: number, whole: number): number {
  return whole <= 0 ? 1 : Math.min(Math.max(done / whole, 0), 1);
}

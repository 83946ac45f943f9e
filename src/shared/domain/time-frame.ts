import { z } from "zod";

/**
 * The time frames a candle may have, shortest first. All are aligned to UTC: a candle opens at a whole multiple of its length,
 * a week on Monday at 00:00.
 */
export const TIME_FRAMES = ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "1w"] as const;
export const timeFrameSchema = z.enum(TIME_FRAMES).meta({ description: "Length of a candle", examples: ["1d"] });
export type TimeFrame = z.infer<typeof timeFrameSchema>;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const LENGTH_MS: Record<TimeFrame, number> = {
  "1s": 1_000,
  "1m": MINUTE_MS,
  "3m": 3 * MINUTE_MS,
  "5m": 5 * MINUTE_MS,
  "15m": 15 * MINUTE_MS,
  "30m": 30 * MINUTE_MS,
  "1h": HOUR_MS,
  "2h": 2 * HOUR_MS,
  "4h": 4 * HOUR_MS,
  "6h": 6 * HOUR_MS,
  "12h": 12 * HOUR_MS,
  "1d": DAY_MS,
  "1w": 7 * DAY_MS,
};
/** The first Monday of UTC's count: the first of January 1970 was a Thursday. */
const FIRST_MONDAY_MS = 4 * DAY_MS;

/** How long a candle of this time frame is, in milliseconds. */
export function timeFrameMs(timeFrame: TimeFrame): number {
  return LENGTH_MS[timeFrame];
}

/** When the candle that holds this moment opened (UTC epoch milliseconds). */
export function candleOpenAtMs(timeFrame: TimeFrame, atMs: number): number {
  const length = LENGTH_MS[timeFrame];
  const fromMs = timeFrame === "1w" ? FIRST_MONDAY_MS : 0;
  return Math.floor((atMs - fromMs) / length) * length + fromMs;
}

/** No candle is made of more: an hour of seconds, two days of minutes. */
const MOST_IN_ONE = 3_600;

/**
 * The longest of these time frames that candles of `timeFrame` can be made from, itself where it is among them: so many of them
 * make each candle whole, 3,600 at most. Null: there is none.
 */
export function madeFrom(timeFrame: TimeFrame, of: readonly TimeFrame[]): TimeFrame | null {
  const length = LENGTH_MS[timeFrame];
  const fitting = of.filter((one) => length % LENGTH_MS[one] === 0 && length / LENGTH_MS[one] <= MOST_IN_ONE);
  return fitting.toSorted((a, b) => LENGTH_MS[b] - LENGTH_MS[a])[0] ?? null;
}

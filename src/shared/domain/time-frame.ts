import { z } from "zod";

/** The time frames a candle may have. All are aligned to UTC: a candle opens at a whole multiple of its length. */
export const TIME_FRAMES = ["1s", "1m", "1h", "1d"] as const;
export const timeFrameSchema = z.enum(TIME_FRAMES).describe("Length of a candle");
export type TimeFrame = z.infer<typeof timeFrameSchema>;

const LENGTH_MS: Record<TimeFrame, number> = { "1s": 1_000, "1m": 60_000, "1h": 3_600_000, "1d": 86_400_000 };

/** How long a candle of this time frame is, in milliseconds. */
export function timeFrameMs(timeFrame: TimeFrame): number {
  return LENGTH_MS[timeFrame];
}

/** When the candle that holds this moment opened (UTC epoch milliseconds). */
export function candleOpenAtMs(timeFrame: TimeFrame, atMs: number): number {
  const length = LENGTH_MS[timeFrame];
  return Math.floor(atMs / length) * length;
}

import { type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";

/** How long the statistics of a day look back from the newest candle. */
export const DAY_MS = timeFrameMs("1d");

/** A series with candles, as the choice needs it. */
export interface KeptSpan {
  timeFrame: TimeFrame;
  firstOpenAtMs: number;
  headOpenAtMs: number;
}

/**
 * The series that the statistics of a day are counted from: of those that reach back a whole day the one with the shortest
 * candles; where none does, the one that reaches back furthest. Null: there is none.
 */
export function chooseDaySeries(spans: readonly KeptSpan[]): KeptSpan | null {
  const closeAtMs = ({ timeFrame, headOpenAtMs }: KeptSpan) => headOpenAtMs + timeFrameMs(timeFrame);
  const newestMs = Math.max(...spans.map(closeAtMs));
  // One that nobody keeps any more tells of another day.
  const current = spans.filter((span) => newestMs - closeAtMs(span) <= timeFrameMs(span.timeFrame));
  const byLength = current.toSorted((a, b) => timeFrameMs(a.timeFrame) - timeFrameMs(b.timeFrame));
  const whole = byLength.find((span) => span.firstOpenAtMs <= closeAtMs(span) - DAY_MS);
  return whole ?? byLength.toSorted((a, b) => a.firstOpenAtMs - b.firstOpenAtMs)[0] ?? null;
}

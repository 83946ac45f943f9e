import { type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";

/** How long the statistics of a day look back from the newest candle. */
export const DAY_MS = timeFrameMs("1d");

/** A series with candles, as the choice needs it. */
export interface KeptSpan {
  timeFrame: TimeFrame;
  firstOpenAtMs: number;
  headOpenAtMs: number;
}

/** When the newest candle of a series ended. */
export function closeAtMs({ timeFrame, headOpenAtMs }: KeptSpan): number {
  return headOpenAtMs + timeFrameMs(timeFrame);
}

/** The series whose newest candle ended last: it has the last price. Null: there is none. */
export function newestSeries(spans: readonly KeptSpan[]): KeptSpan | null {
  return spans.toSorted((a, b) => closeAtMs(b) - closeAtMs(a))[0] ?? null;
}

/**
 * The series that the statistics of a day are counted from: of those that reach back a whole day the one with the shortest
 * candles; where none does, the one that reaches back furthest. Null: there is none.
 */
export function chooseDaySeries(spans: readonly KeptSpan[]): KeptSpan | null {
  const newestMs = Math.max(...spans.map(closeAtMs));
  // One that nobody keeps any more tells of another day.
  const current = spans.filter((span) => newestMs - closeAtMs(span) <= timeFrameMs(span.timeFrame));
  const byLength = current.toSorted((a, b) => timeFrameMs(a.timeFrame) - timeFrameMs(b.timeFrame));
  const whole = byLength.find((span) => span.firstOpenAtMs <= closeAtMs(span) - DAY_MS);
  return whole ?? byLength.toSorted((a, b) => a.firstOpenAtMs - b.firstOpenAtMs)[0] ?? null;
}

import type { Instrument } from "#shared/domain/instrument.ts";
import { madeFrom, TIME_FRAMES, type TimeFrame } from "#shared/domain/time-frame.ts";
import { invalidInput, oneOf } from "#shared/errors/field-error.ts";

/** Why there are no candles of this time frame; null: the venue makes its bars, or they are made from its shorter ones. */
export function timeFrameFault({ id, timeFrames }: Instrument, timeFrame: TimeFrame): string | null {
  if (madeFrom(timeFrame, timeFrames) !== null) return null;
  const there = TIME_FRAMES.filter((one) => madeFrom(one, timeFrames) !== null);
  return `must be ${oneOf(there)}: ${id} has no other candles`;
}

/** INVALID_INPUT (422) where there are no candles of this time frame. `field` is where it stands. */
export function requireTimeFrame(instrument: Instrument, timeFrame: TimeFrame, field = "timeFrame"): void {
  const message = timeFrameFault(instrument, timeFrame);
  if (message !== null) throw invalidInput([{ field, message }]);
}

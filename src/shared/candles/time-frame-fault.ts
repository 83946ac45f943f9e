import type { Instrument } from "#shared/domain/instrument.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { invalidInput, oneOf } from "#shared/errors/field-error.ts";

/** Why there are no bars of this time frame; null: there are. */
export function timeFrameFault({ id, timeFrames }: Instrument, timeFrame: TimeFrame): string | null {
  return timeFrames.includes(timeFrame) ? null : `must be ${oneOf(timeFrames)}: ${id} has no other bars`;
}

/** INVALID_INPUT (422) where the instrument's venue makes no bars of this time frame. `field` is where it stands. */
export function requireTimeFrame(instrument: Instrument, timeFrame: TimeFrame, field = "timeFrame"): void {
  const message = timeFrameFault(instrument, timeFrame);
  if (message !== null) throw invalidInput([{ field, message }]);
}

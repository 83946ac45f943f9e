import { z } from "zod";
import type { Db } from "#shared/db/db.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { countNumber } from "#shared/domain/schemas.ts";
import { type TimeFrame, timeFrameSchema } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { type DropStep, dropNewest } from "./drop-store.ts";
import type { KeptSeries } from "./kept-series.ts";
import { noSeries } from "./no-series.ts";

/** Candles that one statement removes, and how many of them a call does: it answers within seconds. */
const MOST_A_STEP = 50_000;
const MOST_STEPS = 20;

/** Which series. */
export const dropQuery = z.strictObject({ instrumentId: instrumentSchema.shape.id, timeFrame: timeFrameSchema });

export const droppedSchema = z.object({
  removed: countNumber.describe("Candles that are gone, the newest first"),
  left: countNumber.describe("Candles that are left; 0: the series is gone too. Else call it again"),
});
export type Dropped = z.infer<typeof droppedSchema>;

/**
 * Removes a series with its candles, as one that was made of the wrong file or source.
 *
 * NOT_FOUND: it is not kept. CONFLICT: a session at work reads it, or a back-fill of it goes on.
 */
export async function dropSeries(
  { db, kept, most = MOST_A_STEP }: { db: Db; kept: KeptSeries; most?: number },
  series: { instrumentId: string; timeFrame: TimeFrame },
): Promise<Dropped> {
  const dropped: Dropped = { removed: 0, left: 0 };
  for (let steps = 0; steps < MOST_STEPS; steps += 1) {
    const step = await db.transaction((tx) => dropNewest(tx, series, most));
    if (step.refused !== null) throw refusal(step.refused, series);
    dropped.removed += step.removed;
    dropped.left = step.left;
    if (step.left === 0) break;
  }
  kept.forget(series.instrumentId);
  return dropped;
}

function refusal(
  why: Exclude<DropStep["refused"], null>,
  series: { instrumentId: string; timeFrame: TimeFrame },
): AppError {
  if (why === "none") return noSeries(series);
  const { instrumentId, timeFrame } = series;
  const name = `${instrumentId} ${timeFrame}`;
  const text =
    why === "at-work"
      ? `A session at work reads the series ${name}: stop it first.`
      : `A back-fill of the series ${name} goes on: cancel it first.`;
  return new AppError("CONFLICT", "permanent", text, { details: { instrumentId } });
}

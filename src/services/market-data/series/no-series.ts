import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";

/** NOT_FOUND (404): a series is not kept. */
export function noSeries({ instrumentId, timeFrame }: { instrumentId: string; timeFrame: TimeFrame }): AppError {
  const message = `No series ${instrumentId} ${timeFrame} is kept: GET /api/market-data/series lists those that are, POST makes one.`;
  return new AppError("NOT_FOUND", "permanent", message, { details: { instrumentId } });
}

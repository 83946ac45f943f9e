import type { Logger } from "pino";
import { z } from "zod";
import type { CandleWriter } from "#services/market-data/candles/candle-writer.ts";
import { noSeries } from "#services/market-data/series/no-series.ts";
import type { Store } from "#services/market-data/store.ts";
import type { KeyedLock } from "#shared/concurrency/keyed-lock.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { countNumber, epochMs } from "#shared/domain/schemas.ts";
import { timeFrameSchema } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { problemSchema } from "#shared/http/problem.ts";

interface RepairOptions {
  log: Logger;
  store: Store;
  writer: CandleWriter;
  lock: KeyedLock;
}

/** Pages of the venue's bars that one call reads: it answers within seconds, and what is left comes with the next. */
const MOST_PAGES = 10;

const repairBody = z.strictObject({ instrumentId: instrumentSchema.shape.id, timeFrame: timeFrameSchema });
const repairedSchema = z.object({
  added: countNumber.describe("Candles that were added behind the newest one; 0: the venue lists none behind it"),
  headN: countNumber.describe("Number of the newest candle now"),
  headOpenAtMs: epochMs.nullable().describe("When it opened, UTC epoch milliseconds"),
});

/** Closes the one hole of a series that can be closed: behind its newest candle. */
export function createRepairRoutes({ log, ...options }: RepairOptions) {
  return httpBase("market-data", log).post("/gaps/repair", ({ body }) => repair(options, body), {
    body: repairBody,
    response: { 200: repairedSchema, 404: problemSchema, 409: problemSchema, 422: problemSchema },
    detail: {
      summary:
        "Closes the hole behind the newest candle of a series with the venue's bars, without waiting for the next one",
      description: `Call it again until \`added\` is 0: one call reads ${MOST_PAGES} pages. Between candles nothing can be added, since none ever gets another number; before the first one it is POST /backfills.`,
      tags: ["market-data"],
    },
  });
}

async function repair(
  { store, writer, lock }: Omit<RepairOptions, "log">,
  { instrumentId, timeFrame }: z.infer<typeof repairBody>,
): Promise<z.infer<typeof repairedSchema>> {
  return await lock.run(instrumentId, async () => {
    const series = await store.series(instrumentId, timeFrame);
    if (series === null) throw noSeries({ instrumentId, timeFrame });
    if (series.source === "trades") {
      const message = `Trades make the candles of ${instrumentId} ${timeFrame}: its hole is closed with the next trade, by the venue's own, and there is nothing to do.`;
      throw new AppError("CONFLICT", "permanent", message, { details: { instrumentId } });
    }
    const { headN, headOpenAtMs } = await writer.catchUp(series, { mostPages: MOST_PAGES });
    return { added: headN - series.headN, headN, headOpenAtMs };
  });
}

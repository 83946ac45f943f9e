import { z } from "zod";
import { columnTextsSchema, MOST_COLUMNS } from "#shared/candles/column-text.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { numberText } from "#shared/domain/schemas.ts";
import { timeFrameSchema } from "#shared/domain/time-frame.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { problemSchema } from "#shared/http/problem.ts";
import type { Deps } from "#shared/service/service.ts";
import { readCandleColumns } from "./column-store.ts";

const columnsQuery = z
  .strictObject({
    instrumentId: instrumentSchema.shape.id,
    timeFrame: timeFrameSchema,
    fromN: numberText.describe("Number of the first candle"),
    toN: numberText.describe(`Number of the last one; ${MOST_COLUMNS} candles at most`),
  })
  .refine(({ fromN, toN }) => fromN <= toN && toN - fromN < MOST_COLUMNS, {
    path: ["toN"],
    message: `must not be below fromN, nor ${MOST_COLUMNS} or more above it`,
  });

/** Candles for who reads very many of them: a backtest. */
export function createColumnRoutes({ db, log }: Pick<Deps, "db" | "log">) {
  return httpBase("market-data", log).get("/candles/columns", ({ query }) => readCandleColumns(db, query), {
    query: columnsQuery,
    response: { 200: columnTextsSchema, 422: problemSchema },
    detail: {
      summary: "Closed candles by their numbers as columns of float64, for backtests",
      description: "422 where a price has more digits than float64 keeps: nothing is rounded silently.",
      tags: ["market-data"],
    },
  });
}

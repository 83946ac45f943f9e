import { z } from "zod";
import { noSeries } from "#services/market-data/series/no-series.ts";
import type { Store } from "#services/market-data/store.ts";
import { Decimal, decimal, plain } from "#shared/domain/decimal.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { candleNumber, decimalText, epochMs } from "#shared/domain/schemas.ts";
import { timeFrameMs, timeFrameSchema } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { DataCollectClient } from "#shared/http/clients.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor, writeCursor } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import type { Deps } from "#shared/service/service.ts";
import { chooseDaySeries, closeAtMs, DAY_MS, newestSeries } from "./day-series.ts";
import { type Gap, readGaps, readSpans, readSummary } from "./report-store.ts";

export interface ReportOptions extends Pick<Deps, "db" | "log"> {
  store: Store;
  dataCollect: DataCollectClient;
}

const tags = ["market-data"];
const instrumentId = instrumentSchema.shape.id;
/** Digits behind the point of a share. */
const SHARE_DECIMALS = 8;
/** The venue is asked once a gap. */
const MOST_AT_VENUE = 20;
const MOST_LISTED = 1_000;
/** Candles that are looked at for one page: a series may have millions of them, and no gap. */
const STRETCH = 200_000;

const gapsQuery = pageQuery
  .extend({
    instrumentId,
    timeFrame: timeFrameSchema,
    atVenue: z
      .enum(["true", "false"])
      .default("false")
      .describe(`true: the venue is asked how many bars it lists in each; then ${MOST_AT_VENUE} a page at most`),
  })
  .refine(({ atVenue, limit }) => atVenue === "false" || limit <= MOST_AT_VENUE, {
    path: ["limit"],
    message: `must be ${MOST_AT_VENUE} at most where the venue is asked`,
  });
const gapSchema = z.object({
  afterN: z.number().int().describe("Number of the candle before it; the one behind it has the next number"),
  fromMs: epochMs.describe("When that one ended, UTC epoch milliseconds"),
  toMs: epochMs.describe("When the one behind it began, UTC epoch milliseconds"),
  bars: z.number().int().positive().describe("How many candles would fit in it: a market has nights and weekends"),
  listed: z
    .number()
    .int()
    .nonnegative()
    .nullable()
    .describe(`Bars that the venue lists in it now, ${MOST_LISTED} at most; null: it was not asked`),
});
const statisticsSchema = z.object({
  instrumentId: z.string().describe("What it is of"),
  timeFrame: timeFrameSchema.describe("The series that the day is counted from"),
  lastPrice: decimalText.describe("Close of the newest candle of all series of the instrument"),
  atMs: epochMs.describe("When that one ended, by the market's clock, UTC epoch milliseconds"),
  fromMs: epochMs.describe(
    "When the first candle of the day began: 24 hours before the end of the series, or later where less is kept or traded",
  ),
  open: decimalText.describe("First price of the day"),
  high: decimalText.describe("Highest price of the day"),
  low: decimalText.describe("Lowest price of the day"),
  volume: decimalText.describe("What was traded in the day, in the base asset"),
  change: decimalText.describe("The last price less the first"),
  changeShare: decimalText.describe("The same as a share of the first: 0.01 is 1 %"),
});

/** What can be said of the candles that are kept. */
export function createReportRoutes(options: ReportOptions) {
  const { log } = options;
  return httpBase("market-data", log)
    .get("/gaps", ({ query }) => gapsOf(options, query), {
      query: gapsQuery,
      response: { 200: pageSchema(gapSchema), 404: problemSchema, 422: problemSchema },
      detail: {
        summary: "Stretches between the candles of a series that are of no candle, oldest first",
        description:
          "Not every one is a hole: a market has nights, and where trades make candles nothing traded is no candle. Holes are closed before a later candle gets its number; what a venue lists of one afterwards gets none any more. A page is of 200,000 candles at most: one with few gaps or none may have a next one.",
        tags,
      },
    })
    .get("/statistics", ({ query }) => statisticsOf(options, query.instrumentId), {
      query: z.strictObject({ instrumentId }),
      response: { 200: statisticsSchema, 404: problemSchema, 422: problemSchema },
      detail: { summary: "Last price and what was traded in the 24 hours before, by the market's clock", tags },
    });
}

async function gapsOf({ db, store, dataCollect }: ReportOptions, query: z.infer<typeof gapsQuery>) {
  const { instrumentId, timeFrame, limit, cursor, atVenue } = query;
  const series = await store.series(instrumentId, timeFrame);
  if (series === null) throw noSeries(query);
  const [afterN] = readCursor(cursor, z.tuple([candleNumber])) ?? [series.firstN - 1];
  const toN = Math.min(afterN + STRETCH, series.headN);
  const rows = await readGaps(db, { instrumentId, timeFrame, afterN, toN, limit: limit + 1 });
  const { items, nextCursor } = pageOf(rows, limit, (gap) => [gap.afterN]);
  // The last candle of a stretch is the first of the next one.
  const goingOn = toN < series.headN ? writeCursor([toN - 1]) : null;
  const listedIn = async ({ fromMs, toMs }: Gap): Promise<number> => {
    const wanted = Math.min(MOST_LISTED, (toMs - fromMs) / timeFrameMs(timeFrame));
    const bars = await dataCollect.bars({ instrumentId, timeFrame, fromMs, limit: wanted });
    return bars.filter(({ openAtMs, volume }) => openAtMs < toMs && (series.source === "bars" || volume !== "0"))
      .length;
  };
  const told = [];
  for (const gap of items) {
    const listed = atVenue === "true" ? await listedIn(gap) : null;
    told.push({ ...gap, bars: (gap.toMs - gap.fromMs) / timeFrameMs(timeFrame), listed });
  }
  return { items: told, nextCursor: nextCursor ?? goingOn };
}

async function statisticsOf({ db }: ReportOptions, instrumentId: string): Promise<z.infer<typeof statisticsSchema>> {
  const spans = await readSpans(db, instrumentId);
  const span = chooseDaySeries(spans);
  const newest = newestSeries(spans);
  if (span === null || newest === null) throw notFound(`No candles of ${instrumentId} are kept.`, instrumentId);
  const key = { instrumentId, timeFrame: span.timeFrame };
  // Of candles longer than a day the newest alone.
  const day = await readSummary(db, key, Math.min(closeAtMs(span) - DAY_MS, span.headOpenAtMs));
  const last = await readSummary(db, { ...key, timeFrame: newest.timeFrame }, newest.headOpenAtMs);
  if (day === null || last === null) throw notFound(`No candles of ${instrumentId} are kept.`, instrumentId);
  const { firstOpenAtMs, open, high, low, volume } = day;
  const change = decimal(last.close).minus(open);
  const changeShare = change.div(open).toDecimalPlaces(SHARE_DECIMALS, Decimal.ROUND_HALF_EVEN);
  return {
    ...key,
    lastPrice: last.close,
    atMs: last.closeAtMs,
    fromMs: firstOpenAtMs,
    open,
    high,
    low,
    volume,
    change: plain(change),
    changeShare: plain(changeShare),
  };
}

function notFound(message: string, instrumentId: string): AppError {
  return new AppError("NOT_FOUND", "permanent", message, { details: { instrumentId } });
}

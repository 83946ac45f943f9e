import { z } from "zod";
import { MOST_HISTORY } from "#shared/candles/limits.ts";
import { wholeNumber } from "#shared/config/values.ts";

/** What market-data can be told. */
export const marketDataSettings = z.object({
  R3_MARKET_DATA_REPEAT_MS: wholeNumber(100, 60_000)
    .default(1_000)
    .describe("How often the newest closed candle of each series is repeated, in milliseconds"),
  R3_MARKET_DATA_LEAST_HISTORY: wholeNumber(1, MOST_HISTORY)
    .default(1_000)
    .describe("Closed bars of the venue that a new series begins with, where more are not asked for"),
  R3_MARKET_DATA_INSTRUMENTS_AGE_MS: wholeNumber(1_000, 604_800_000)
    .default(60_000)
    .describe("How often the instruments of all venues are read again, in milliseconds"),
  R3_MARKET_DATA_LATE_TRADES_MS: wholeNumber(0, 60_000)
    .default(3_000)
    .describe(
      "How long after its end, by the venue's clock, a candle of trades without a later one is waited for, in milliseconds",
    ),
  R3_MARKET_DATA_QUOTES_MS: wholeNumber(1_000, 600_000)
    .default(5_000)
    .describe(
      "How long a quote that data-collect does not repeat is taken to stand, in milliseconds; longer than R3_DATA_COLLECT_REPEAT_MS",
    ),
  R3_MARKET_DATA_CACHE_MS: wholeNumber(1_000, 3_600_000)
    .default(60_000)
    .describe("How long pages of candles stay in the cache, in milliseconds"),
  R3_MARKET_DATA_BACKFILL_CONCURRENCY: wholeNumber(1, 100)
    .default(2)
    .describe("Back-fills at once in a process, each of another series"),
  R3_MARKET_DATA_BACKFILL_TRIES: wholeNumber(1, 100)
    .default(12)
    .describe(
      "So often in a row the venue is asked for a page of a back-fill, with pauses from 0.5 s that double up to a minute, before it fails",
    ),
  R3_MARKET_DATA_STREAM_SOCKETS: wholeNumber(1, 100_000)
    .default(1_000)
    .describe("How many WebSockets of /api/market-data/stream each process holds at most; one more is refused"),
});
export type MarketDataSettings = z.infer<typeof marketDataSettings>;

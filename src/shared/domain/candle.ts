import { z } from "zod";
import { epochMs, nonNegativeDecimal, positiveDecimal, stampMs } from "./schemas.ts";
import { timeFrameSchema } from "./time-frame.ts";

/** Where the candles of a series come from: built here from trades, or taken from the venue as it makes them. */
export const candleSourceSchema = z
  .enum(["trades", "bars"])
  .describe("Whether a series is built from trades, or taken from the venue as it makes bars");
export type CandleSource = z.infer<typeof candleSourceSchema>;

const prices = {
  open: positiveDecimal.describe("First price"),
  high: positiveDecimal.describe("Highest price"),
  low: positiveDecimal.describe("Lowest price"),
  close: positiveDecimal.describe("Last price"),
  volume: nonNegativeDecimal.describe("What was traded, in the base asset"),
};

/** A bar as the venue makes it, closed. `prevOpenAtMs` names the bar before it, so that a hole is noticed; null: none. */
export const venueBarSchema = z.object({
  instrumentId: z.string().describe("What it is of"),
  timeFrame: timeFrameSchema.describe("How long it is"),
  openAtMs: epochMs.describe("When it begins, UTC epoch milliseconds"),
  closeAtMs: epochMs.describe("When it ends, UTC epoch milliseconds"),
  ...prices,
  prevOpenAtMs: epochMs
    .nullable()
    .describe("When the bar before it opened, UTC epoch milliseconds; null: there is none"),
  receivedAtMs: stampMs.describe("When its frame arrived (wall clock), UTC epoch milliseconds with a fraction"),
});
export type VenueBar = z.infer<typeof venueBarSchema>;

/** A public trade. `tradeId` is the venue's and grows by one from trade to trade of an instrument. */
export const venueTradeSchema = z.object({
  instrumentId: z.string().describe("What was traded"),
  tradeId: z.string().describe("The venue's id, which grows by one from trade to trade of an instrument"),
  price: positiveDecimal.describe("At which it was traded"),
  size: positiveDecimal.describe("In the base asset"),
  takerSide: z.enum(["BUY", "SELL"]).describe("Who took from the book: the buyer or the seller"),
  atMs: epochMs.describe("When it happened, UTC epoch milliseconds"),
  receivedAtMs: stampMs.describe("When its frame arrived (wall clock), UTC epoch milliseconds with a fraction"),
});
export type VenueTrade = z.infer<typeof venueTradeSchema>;

/** Best bid and ask of an instrument. A side that nobody stands on has the price and size 0. */
export const quoteSchema = z.object({
  instrumentId: z.string().describe("What it is of"),
  bid: nonNegativeDecimal.describe("Highest price that somebody buys at"),
  bidSize: nonNegativeDecimal.describe("What is bought there, in the base asset"),
  ask: nonNegativeDecimal.describe("Lowest price that somebody sells at"),
  askSize: nonNegativeDecimal.describe("What is sold there, in the base asset"),
  receivedAtMs: stampMs.describe("When its frame arrived (wall clock), UTC epoch milliseconds with a fraction"),
});
export type Quote = z.infer<typeof quoteSchema>;

/**
 * Open, high, low, close and volume over [openAtMs, closeAtMs). `n` numbers the closed candles of a series
 * (instrument, time frame) without a gap: those of its beginning from 1, earlier ones that are added later 0, -1, ... A forming
 * candle carries the number it will have and `closed: false`.
 */
export const candleSchema = z.object({
  instrumentId: z.string().describe("What it is of"),
  timeFrame: timeFrameSchema.describe("How long it is"),
  source: candleSourceSchema.describe("Whether it was built from trades, or taken from the venue as it makes bars"),
  n: z
    .number()
    .int()
    .describe(
      "Number within the closed candles of its series, without a gap; those added before the first are 0, -1, ...",
    ),
  closed: z.boolean().describe("Whether it is over"),
  openAtMs: epochMs.describe("When it begins, UTC epoch milliseconds"),
  closeAtMs: epochMs.describe("When it ends, UTC epoch milliseconds"),
  ...prices,
  tradedAtMs: epochMs
    .optional()
    .describe("Of a forming candle: when its newest trade happened at the venue, UTC epoch milliseconds"),
  receivedAtMs: stampMs.describe("When its frame arrived (wall clock), UTC epoch milliseconds with a fraction"),
});
export type Candle = z.infer<typeof candleSchema>;

import { z } from "zod";
import { epochMs, nonNegativeDecimal, positiveDecimal, stampMs } from "./schemas.ts";
import { timeFrameSchema } from "./time-frame.ts";

/** Where the candles of a series come from: built here from trades, or taken from the venue as it makes them. */
export const candleSourceSchema = z.enum(["trades", "bars"]);
export type CandleSource = z.infer<typeof candleSourceSchema>;

const prices = {
  open: positiveDecimal,
  high: positiveDecimal,
  low: positiveDecimal,
  close: positiveDecimal,
  volume: nonNegativeDecimal,
};

/** A bar as the venue makes it, closed. `prevOpenAtMs` names the bar before it, so that a hole is noticed; null: none. */
export const venueBarSchema = z.object({
  instrumentId: z.string(),
  timeFrame: timeFrameSchema,
  openAtMs: epochMs,
  closeAtMs: epochMs,
  ...prices,
  prevOpenAtMs: epochMs.nullable(),
  /** When its frame reached data-collect (wall clock). */
  receivedAtMs: stampMs,
});
export type VenueBar = z.infer<typeof venueBarSchema>;

/** A public trade. `tradeId` is the venue's and grows by one from trade to trade of an instrument. */
export const venueTradeSchema = z.object({
  instrumentId: z.string(),
  tradeId: z.string(),
  price: positiveDecimal,
  size: positiveDecimal,
  takerSide: z.enum(["BUY", "SELL"]),
  atMs: epochMs,
  receivedAtMs: stampMs,
});
export type VenueTrade = z.infer<typeof venueTradeSchema>;

/**
 * Open, high, low, close and volume over [openAtMs, closeAtMs). `n` numbers the closed candles of a series
 * (instrument, time frame) without a gap, from 1. A forming candle carries the number it will have and `closed: false`.
 */
export const candleSchema = z.object({
  instrumentId: z.string(),
  timeFrame: timeFrameSchema,
  source: candleSourceSchema,
  n: z.number().int().positive(),
  closed: z.boolean(),
  openAtMs: epochMs,
  closeAtMs: epochMs,
  ...prices,
  /** Of a forming candle: when its newest trade happened at the venue. */
  tradedAtMs: epochMs.optional(),
  receivedAtMs: stampMs,
});
export type Candle = z.infer<typeof candleSchema>;

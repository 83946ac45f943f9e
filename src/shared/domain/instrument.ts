import { z } from "zod";
import { decimal, isMultipleOf } from "./decimal.ts";
import { decimalText, nonNegativeDecimal, positiveDecimal } from "./schemas.ts";
import { TIME_FRAMES, timeFrameSchema } from "./time-frame.ts";

/** How far a limit price may be from the average price, as multiples of it: a buy by the bid's, a sell by the ask's. */
export const priceBandSchema = z.object({
  bidUp: positiveDecimal,
  bidDown: nonNegativeDecimal,
  askUp: positiveDecimal,
  askDown: nonNegativeDecimal,
});

/**
 * What can be traded at a venue, with the rules an order has to keep; Binance's filter of each in brackets. `id` is
 * `SYMBOL.VENUE` ("SPX/USD.paper"); `venueSymbol` is the venue's own name for it ("SPXUSD"). `rulesOf` reads the numbers, put
 * together by order type. Null: there is no such limit.
 */
export const instrumentSchema = z
  .object({
    id: z.string().min(3).max(80),
    symbol: z.string().min(1),
    venue: z.string().min(1),
    venueSymbol: z.string().min(1),
    base: z.string().min(1),
    quote: z.string().min(1),
    priceStep: positiveDecimal,
    /** Of every order, in the base asset (LOT_SIZE). */
    sizeStep: positiveDecimal,
    minSize: nonNegativeDecimal,
    maxSize: positiveDecimal.nullable(),
    /** Of a market order in addition (MARKET_LOT_SIZE). Its step is a multiple of the size step; null: the same. */
    marketSizeStep: positiveDecimal.nullable().default(null),
    marketMinSize: nonNegativeDecimal.default("0"),
    marketMaxSize: positiveDecimal.nullable().default(null),
    /** Of size times price, in the quote asset, and whether market orders have to keep it too (NOTIONAL, MIN_NOTIONAL). */
    minNotional: nonNegativeDecimal,
    minNotionalAppliesToMarket: z.boolean().default(true),
    maxNotional: positiveDecimal.nullable(),
    maxNotionalAppliesToMarket: z.boolean().default(true),
    /** Of limit orders (PERCENT_PRICE_BY_SIDE). */
    priceBand: priceBandSchema.nullable().default(null),
    /** Most open orders of an account in it (MAX_NUM_ORDERS). */
    maxOpenOrders: z.number().int().positive().nullable().default(null),
    /** Shares of what is received: "0.001" is 0.1 %. Below zero: a rebate, which is credited. */
    makerFee: decimalText,
    takerFee: decimalText,
    /** Decimals that a fee is rounded to, toward zero: a fee down, a rebate to no more than its share. */
    feeDecimals: z.number().int().min(0).max(18),
    /** GONE: its venue does not list it any more. */
    status: z.enum(["TRADING", "HALTED", "GONE"]),
    /** A replay that has shown its last bar: of the simulated venue alone. */
    marketEnded: z.boolean().optional(),
    /** Those that the venue makes bars of. */
    timeFrames: z
      .array(timeFrameSchema)
      .min(1)
      .default([...TIME_FRAMES]),
  })
  .refine(({ sizeStep, marketSizeStep: step }) => step === null || isMultipleOf(decimal(step), decimal(sizeStep)), {
    path: ["marketSizeStep"],
    message: "must be a multiple of sizeStep",
  });
export type Instrument = z.infer<typeof instrumentSchema>;

/** The instrument's id from the symbol both sides know and the venue. */
export function instrumentId(symbol: string, venue: string): string {
  return `${symbol}.${venue}`;
}

/** Splits an instrument's id at its last dot. Null where there is none. */
export function parseInstrumentId(id: string): { symbol: string; venue: string } | null {
  const dot = id.lastIndexOf(".");
  return dot <= 0 || dot === id.length - 1 ? null : { symbol: id.slice(0, dot), venue: id.slice(dot + 1) };
}

import { z } from "zod";
import { decimal, isMultipleOf } from "./decimal.ts";
import { decimalText, nonNegativeDecimal, positiveDecimal } from "./schemas.ts";
import { TIME_FRAMES, timeFrameSchema } from "./time-frame.ts";

/** How far a limit price may be from the average price, as multiples of it: a buy by the bid's, a sell by the ask's. */
export const priceBandSchema = z.object({
  bidUp: positiveDecimal.describe("Highest price of a buy, as a multiple of the average price"),
  bidDown: nonNegativeDecimal.describe("Lowest price of a buy, as a multiple of the average price"),
  askUp: positiveDecimal.describe("Highest price of a sell, as a multiple of the average price"),
  askDown: nonNegativeDecimal.describe("Lowest price of a sell, as a multiple of the average price"),
});

/**
 * What can be traded at a venue, with the rules an order has to keep; Binance's filter of each in brackets. `id` is
 * `SYMBOL.VENUE` ("SPX/USD.paper"); `venueSymbol` is the venue's own name for it ("SPXUSD"). `rulesOf` reads the numbers, put
 * together by order type. Null: there is no such limit.
 */
export const instrumentSchema = z
  .object({
    id: z
      .string()
      .min(3)
      .max(80)
      .meta({
        description: "SYMBOL.VENUE, as GET /api/market-data/instruments lists them",
        examples: ["SPX/USD.paper"],
      }),
    symbol: z.string().min(1).describe("Base and quote as both sides know them: BTC/USDT"),
    venue: z.string().min(1).describe("The venue's name in R3_VENUES"),
    venueSymbol: z.string().min(1).describe("The venue's own name for it"),
    base: z.string().min(1).describe("What is traded"),
    quote: z.string().min(1).describe("What it is paid in"),
    priceStep: positiveDecimal.describe("Prices are multiples of it"),
    sizeStep: positiveDecimal.describe("Sizes of every order are multiples of it, in the base asset (LOT_SIZE)"),
    minSize: nonNegativeDecimal.describe("Least size of an order, in the base asset"),
    maxSize: positiveDecimal.nullable().describe("Largest size of an order; null: no limit"),
    marketSizeStep: positiveDecimal
      .nullable()
      .default(null)
      .describe("Of a market order in addition (MARKET_LOT_SIZE), a multiple of the size step; null: the same"),
    marketMinSize: nonNegativeDecimal.default("0").describe("Least size of a market order"),
    marketMaxSize: positiveDecimal
      .nullable()
      .default(null)
      .describe("Largest size of a market order; null: no other limit"),
    minNotional: nonNegativeDecimal.describe("Least size times price, in the quote asset (NOTIONAL, MIN_NOTIONAL)"),
    minNotionalAppliesToMarket: z.boolean().default(true).describe("Whether market orders have to keep it too"),
    maxNotional: positiveDecimal.nullable().describe("Most size times price, in the quote asset; null: no limit"),
    maxNotionalAppliesToMarket: z.boolean().default(true).describe("Whether market orders have to keep it too"),
    priceBand: priceBandSchema
      .nullable()
      .default(null)
      .describe("How far a limit price may be from the average price (PERCENT_PRICE_BY_SIDE); null: no limit"),
    maxOpenOrders: z
      .number()
      .int()
      .positive()
      .nullable()
      .default(null)
      .describe("Most open orders of an account in it (MAX_NUM_ORDERS); null: no limit"),
    makerFee: decimalText.describe(
      "Share of what is received: 0.001 is 0.1 %. Below zero: a rebate, which is credited",
    ),
    takerFee: decimalText.describe("Share of what is received by who takes from the book"),
    feeDecimals: z
      .number()
      .int()
      .min(0)
      .max(18)
      .describe("Decimals that a fee is rounded to, toward zero: a fee down, a rebate to no more than its share"),
    status: z.enum(["TRADING", "HALTED", "GONE"]).describe("GONE: its venue does not list it any more"),
    marketEnded: z
      .boolean()
      .optional()
      .describe("Whether it is a replay that has shown its last bar: of the simulated venue alone"),
    timeFrames: z
      .array(timeFrameSchema)
      .min(1)
      .default([...TIME_FRAMES])
      .describe("Those that the venue makes bars of"),
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

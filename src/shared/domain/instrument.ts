import { z } from "zod";
import { decimalText, nonNegativeDecimal, positiveDecimal } from "./schemas.ts";
import { TIME_FRAMES, timeFrameSchema } from "./time-frame.ts";

/**
 * What can be traded at a venue, with the rules an order has to keep. `id` is `SYMBOL.VENUE` ("SPX/USD.paper");
 * `venueSymbol` is the venue's own name for it ("SPXUSD"). Fees are shares: "0.001" is 0.1 %.
 */
export const instrumentSchema = z.object({
  id: z.string().min(3).max(80),
  symbol: z.string().min(1),
  venue: z.string().min(1),
  venueSymbol: z.string().min(1),
  base: z.string().min(1),
  quote: z.string().min(1),
  priceStep: positiveDecimal,
  sizeStep: positiveDecimal,
  minSize: nonNegativeDecimal,
  maxSize: positiveDecimal.nullable(),
  minNotional: nonNegativeDecimal,
  maxNotional: positiveDecimal.nullable(),
  /** Below zero: a rebate, which is credited. */
  makerFee: decimalText,
  takerFee: decimalText,
  /** Decimals that a fee is rounded down to. */
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

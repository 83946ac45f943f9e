import { z } from "zod";
import { flag, jsonText } from "#shared/config/values.ts";
import { decimal, isMultipleOf } from "#shared/domain/decimal.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { decimalText, nonNegativeDecimal, positiveDecimal } from "#shared/domain/schemas.ts";
import { timeFrameSchema } from "#shared/domain/time-frame.ts";
import { faultsSchema } from "./faults/faults.ts";

const { shape: instrumentRules } = instrumentSchema;

const common = {
  /** Part of the market's address and the name of its file. */
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, "must be up to 64 of a-z, 0-9 and -"),
  symbol: z.string().regex(/^[A-Z0-9]{1,20}\/[A-Z0-9]{1,20}$/, 'must be BASE/QUOTE, like "SPX/USD"'),
  /** Those that may be left out are filters which are not there: see `Instrument` for what each is. */
  rules: z.strictObject({
    priceStep: positiveDecimal,
    sizeStep: positiveDecimal,
    minSize: positiveDecimal,
    minNotional: nonNegativeDecimal,
    maxSize: instrumentRules.maxSize.default(null),
    marketSizeStep: instrumentRules.marketSizeStep,
    marketMinSize: instrumentRules.marketMinSize,
    marketMaxSize: instrumentRules.marketMaxSize,
    minNotionalAppliesToMarket: instrumentRules.minNotionalAppliesToMarket,
    maxNotional: instrumentRules.maxNotional.default(null),
    maxNotionalAppliesToMarket: instrumentRules.maxNotionalAppliesToMarket,
    priceBand: instrumentRules.priceBand,
    maxOpenOrders: instrumentRules.maxOpenOrders,
    feeDecimals: z.number().int().min(0).max(18).default(8),
  }),
  /** Shares of the asset received: "0.001" is 0.1 %. */
  fees: z.strictObject({ maker: decimalText, taker: decimalText }).default({ maker: "0", taker: "0" }),
  /** How it misbehaves, and the seed that draws when; POST /control/faults changes it. */
  misbehaves: faultsSchema.default({ seed: 1, faults: [] }),
  account: z.strictObject({
    apiKey: z.string().min(1),
    secret: z.string().min(1),
    /** What it owns before the first event, by asset. */
    balances: z.record(z.string().regex(/^[A-Z0-9]{1,20}$/), nonNegativeDecimal),
  }),
};

const replaySchema = z.strictObject({
  kind: z.literal("replay"),
  ...common,
  /** Path of a CSV with the columns date, open, high, low, close and volume; a date at 00:00 UTC is when its bar opens. */
  bars: z.string().min(1),
  timeFrame: timeFrameSchema,
  /** lockstep: halts until released. speed: so many times faster than the market was. real-time: as speed 1. */
  pace: z.union([z.literal("lockstep"), z.literal("real-time"), z.strictObject({ speed: z.number().positive() })], {
    error: 'must be "lockstep", "real-time", {"speed": a number above 0}, "manual" or "synthetic"',
  }),
  /** Only the first bars, so many. */
  limit: z.number().int().positive().optional(),
});

const tickerSchema = z.strictObject({
  kind: z.literal("ticker"),
  ...common,
  pace: z.literal("manual"),
  /** When an order meets its first price: the last one shown, at once, or the next one, as in a replay. */
  firstPrice: z.enum(["last", "next"]).default("last"),
});

/** Its prices are made up with float64 numbers, which hold so many digits, and to so many decimals (`tradeAfter`). */
const MOST_DIGITS = 15;
const MOST_PRICE_DECIMALS = 12;

/** Digits of a value before its point, and behind it as far as it has or as many as are given. */
function digitsOf(text: string, decimals = decimal(text).decimalPlaces()): number {
  return decimal(text).trunc().toFixed().length + decimals;
}

const syntheticSchema = z
  .strictObject({
    kind: z.literal("synthetic"),
    ...common,
    pace: z.literal("synthetic"),
    /** Draws prices, sizes and regimes. */
    seed: z.number().int().min(0).max(4_294_967_295).default(1),
    startPrice: positiveDecimal,
    /** Mean time between two trades. */
    tradeEveryMs: z.number().int().min(10).max(60_000).default(250),
    /** How long a regime (quiet, range, trend, jump) lasts. */
    regimeMs: z.number().int().min(1_000).max(86_400_000).default(60_000),
    /** Closed bars of each time frame that it begins with, made up. */
    historyBars: z.number().int().min(0).max(5_000).default(500),
    /** Best bid and ask are so many price steps below and above the last price. */
    spreadSteps: z.number().int().min(0).max(1_000_000).default(1),
    /** How long an order is on its way until it can meet a price. */
    latencyMs: z.number().int().min(0).max(60_000).default(0),
  })
  .refine(({ startPrice, rules }) => isMultipleOf(decimal(startPrice), decimal(rules.priceStep)), {
    path: ["startPrice"],
    error: "must be a multiple of rules.priceStep",
  })
  .refine(({ rules }) => decimal(rules.priceStep).decimalPlaces() <= MOST_PRICE_DECIMALS, {
    path: ["rules", "priceStep"],
    error: `must have at most ${MOST_PRICE_DECIMALS} decimals`,
    abort: true,
  })
  .refine(({ startPrice, rules }) => digitsOf(startPrice, decimal(rules.priceStep).decimalPlaces()) <= MOST_DIGITS, {
    path: ["startPrice"],
    error: `must be of at most ${MOST_DIGITS} digits, counted down to the last of rules.priceStep`,
  })
  .refine(({ rules }) => digitsOf(rules.sizeStep) <= MOST_DIGITS, {
    path: ["rules", "sizeStep"],
    error: `must be of at most ${MOST_DIGITS} digits`,
  });

export type SyntheticSettings = z.infer<typeof syntheticSchema>;
export type ReplaySettings = z.infer<typeof replaySchema>;

function kindOf(pace: unknown): string {
  if (pace === "manual") return "ticker";
  return pace === "synthetic" ? "synthetic" : "replay";
}

/**
 * One simulated market with its one account. `pace: "manual"` makes it a ticker: each price comes by POST /control/tick.
 * `pace: "synthetic"` makes its prices up, in wall-clock time.
 */
export const marketSchema = z.preprocess(
  (value) =>
    typeof value === "object" && value !== null && !("kind" in value)
      ? { kind: kindOf("pace" in value ? value.pace : undefined), ...value }
      : value,
  z.discriminatedUnion("kind", [replaySchema, tickerSchema, syntheticSchema]),
);
export type MarketSettings = z.infer<typeof marketSchema>;

/** What the paper exchange can be told. */
export const paperExchangeSettings = z.object({
  R3_PAPER_EXCHANGE_MARKETS: jsonText(
    z
      .array(marketSchema)
      .refine((markets) => new Set(markets.map(({ id }) => id)).size === markets.length, "ids must differ"),
  )
    .default([])
    .describe("Simulated markets: a JSON array, described in src/services/paper-exchange/README.md"),
  R3_PAPER_EXCHANGE_FOLDER: z
    .string()
    .min(1)
    .default("data/paper-exchange")
    .describe("Folder of the SQLite files, one a market; from the working directory where it is relative"),
  R3_PAPER_EXCHANGE_CONTROL: flag
    .default(false)
    .describe("Whether /control (state, release, tick, faults) is served; true or false. bin/up always serves it"),
});
export type PaperExchangeSettings = z.infer<typeof paperExchangeSettings>;

import { z } from "zod";
import type { Quote, VenueTrade } from "#shared/domain/candle.ts";
import { decimal, isMultipleOf, MOST_DECIMAL_LENGTH, normalize } from "#shared/domain/decimal.ts";
import { type Instrument, instrumentId, instrumentSchema } from "#shared/domain/instrument.ts";
import { decimalText, positiveDecimal } from "#shared/domain/schemas.ts";
import { messageOf } from "#shared/errors/app-error.ts";

/** Binance's words made ours. Pure; amounts stay the venue's own digits, brought into the plain form. */

/** ccxt turns integers of 15 digits and more into text, so both forms are read. */
export const wireId = z.union([z.string(), z.number()]).transform(String);
export const wireMs = z.union([z.number(), z.string().regex(/^\d+$/)]).transform(Number);
/** A decimal as venues write it, in plain form; some write small ones with an exponent. A number is refused: its digits may be lost. */
export const wireDecimal = z
  .string()
  .regex(/^-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?$/)
  .transform((text, context) => {
    try {
      return normalize(text.toLowerCase());
    } catch (error) {
      context.addIssue({ code: "custom", message: messageOf(error) });
      return z.NEVER;
    }
  });

const filterSchema = z.looseObject({ filterType: z.string() });
const symbolSchema = z.looseObject({
  symbol: z.string(),
  status: z.string(),
  baseAsset: z.string(),
  quoteAsset: z.string(),
  filters: z.array(filterSchema),
  /** Of the simulated venue alone, which may have fewer; Binance makes bars of every time frame here. */
  timeFrames: z.array(z.string()).optional(),
  marketEnded: z.boolean().optional(),
});
const exchangeInfoSchema = z.looseObject({ symbols: z.array(symbolSchema) });

/** Fees as shares, by the venue's symbol. */
export type FeesBySymbol = ReadonlyMap<string, { maker: string; taker: string }>;
/** What Binance takes of everyone who has no better terms: 0.1 %. */
const DEFAULT_FEE = "0.001";
/** Binance rounds commissions down to this many decimals. */
const FEE_DECIMALS = 8;

type Filters = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** A decimal in plain form. What is none comes as it is, for the schema to refuse. */
function decimalOf(filters: Filters, filter: string, field: string): string | null {
  const value = filters.get(filter)?.[field];
  if (typeof value !== "string") return null;
  return decimalText.safeParse(value).success ? normalize(value) : value;
}

/** A flag of a filter; where it is missing the filter applies. */
function applies(filters: Filters, filter: string, field: string): boolean {
  return filters.get(filter)?.[field] !== false;
}

/** The step of market orders. Null: the size step does for them too, as where that is a multiple of theirs. */
function marketStepOf(filters: Filters): string | null {
  const [step, own] = [decimalOf(filters, "LOT_SIZE", "stepSize"), limitOf(filters, "MARKET_LOT_SIZE", "stepSize")];
  if (own === null || step === null || !positiveDecimal.safeParse(own).success) return own;
  return isMultipleOf(decimal(step), decimal(own)) ? null : own;
}

function priceBandOf(filters: Filters): unknown {
  const band = "PERCENT_PRICE_BY_SIDE";
  if (!filters.has(band)) return null;
  return {
    bidUp: decimalOf(filters, band, "bidMultiplierUp"),
    bidDown: decimalOf(filters, band, "bidMultiplierDown"),
    askUp: decimalOf(filters, band, "askMultiplierUp"),
    askDown: decimalOf(filters, band, "askMultiplierDown"),
  };
}

/** A limit of zero means that there is none. */
function limitOf(filters: Filters, filter: string, field: string): string | null {
  const value = decimalOf(filters, filter, field);
  return value === "0" ? null : value;
}

function instrumentOf(symbol: z.infer<typeof symbolSchema>, venue: string, fees: FeesBySymbol) {
  const filters: Filters = new Map(symbol.filters.map((filter) => [filter.filterType, filter]));
  // Binance has one of the two for a symbol.
  const older = filters.has("NOTIONAL") ? null : "MIN_NOTIONAL";
  const name = `${symbol.baseAsset}/${symbol.quoteAsset}`;
  const fee = fees.get(symbol.symbol);
  return instrumentSchema.safeParse({
    id: instrumentId(name, venue),
    symbol: name,
    venue,
    venueSymbol: symbol.symbol,
    base: symbol.baseAsset,
    quote: symbol.quoteAsset,
    priceStep: decimalOf(filters, "PRICE_FILTER", "tickSize"),
    sizeStep: decimalOf(filters, "LOT_SIZE", "stepSize"),
    minSize: decimalOf(filters, "LOT_SIZE", "minQty") ?? "0",
    maxSize: limitOf(filters, "LOT_SIZE", "maxQty"),
    marketSizeStep: marketStepOf(filters),
    marketMinSize: decimalOf(filters, "MARKET_LOT_SIZE", "minQty") ?? "0",
    marketMaxSize: limitOf(filters, "MARKET_LOT_SIZE", "maxQty"),
    minNotional: decimalOf(filters, older ?? "NOTIONAL", "minNotional") ?? "0",
    minNotionalAppliesToMarket:
      older === null ? applies(filters, "NOTIONAL", "applyMinToMarket") : applies(filters, older, "applyToMarket"),
    maxNotional: limitOf(filters, "NOTIONAL", "maxNotional"),
    maxNotionalAppliesToMarket: applies(filters, "NOTIONAL", "applyMaxToMarket"),
    priceBand: priceBandOf(filters),
    maxOpenOrders: filters.get("MAX_NUM_ORDERS")?.["maxNumOrders"] ?? null,
    makerFee: fee?.maker ?? DEFAULT_FEE,
    takerFee: fee?.taker ?? DEFAULT_FEE,
    feeDecimals: FEE_DECIMALS,
    status: symbol.status === "TRADING" ? "TRADING" : "HALTED",
    timeFrames: symbol.timeFrames,
    marketEnded: symbol.marketEnded,
  });
}

/** A symbol that cannot be traded exactly, and why. */
export interface LeftOut {
  symbol: string;
  reason: string;
}

/** Instruments of an exchangeInfo answer, and the symbols that are none, as those without a price or size step. */
export function instrumentsOf(
  exchangeInfo: unknown,
  venue: string,
  fees: FeesBySymbol,
): { instruments: Instrument[]; leftOut: LeftOut[] } {
  const byId = new Map<string, Instrument>();
  const leftOut: LeftOut[] = [];
  for (const symbol of exchangeInfoSchema.parse(exchangeInfo).symbols) {
    const { data: instrument, error } = instrumentOf(symbol, venue, fees);
    if (instrument === undefined) {
      const reason = error.issues.map(({ path, message }) => `${path.join(".")} ${message}`).join("; ");
      leftOut.push({ symbol: symbol.symbol, reason });
      continue;
    }
    // Two symbols may share base and quote; the one that trades has the name.
    const other = byId.get(instrument.id);
    if (other === undefined || (other.status === "HALTED" && instrument.status === "TRADING")) {
      byId.set(instrument.id, instrument);
    }
  }
  return { instruments: [...byId.values()], leftOut };
}

const tradeFeeSchema = z.array(
  z.looseObject({ symbol: z.string(), makerCommission: wireDecimal, takerCommission: wireDecimal }),
);

/** The account's fees of Binance's tradeFee answer. */
export function feesOf(tradeFee: unknown): FeesBySymbol {
  return new Map(
    tradeFeeSchema
      .parse(tradeFee)
      .map((fee) => [fee.symbol, { maker: fee.makerCommission, taker: fee.takerCommission }]),
  );
}

/** A bar of a venue, before it is linked to the one before it. `closeAtMs` is exclusive: Binance's close time + 1 ms. */
export interface BarPrices {
  openAtMs: number;
  closeAtMs: number;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
}

/** A decimal of a listed bar, which is asked for again and again. What is none comes with its type, as `number 0.1`, for the schema to refuse that bar alone. */
const barDecimal = z.union([
  wireDecimal,
  z.unknown().transform((value) => `${typeof value} ${JSON.stringify(value)}`.slice(0, MOST_DECIMAL_LENGTH)),
]);
const klineRow = z
  .tuple([wireMs, barDecimal, barDecimal, barDecimal, barDecimal, barDecimal, wireMs])
  .rest(z.unknown());

/** Bars of a klines answer, oldest first. The newest may still be forming. */
export function barsOf(klines: unknown): BarPrices[] {
  return z
    .array(klineRow)
    .parse(klines)
    .map(([openAtMs, open, high, low, close, volume, lastMs]) => {
      return { openAtMs, closeAtMs: lastMs + 1, open, high, low, close, volume };
    });
}

const klineFrame = z.looseObject({
  k: z.looseObject({
    t: wireMs,
    T: wireMs,
    o: wireDecimal,
    h: wireDecimal,
    l: wireDecimal,
    c: wireDecimal,
    v: wireDecimal,
    x: z.boolean(),
  }),
});

/** The closed bar of a kline frame; null while it forms (`k.x` false). */
export function closedBarOf(frame: unknown): BarPrices | null {
  const { k } = klineFrame.parse(frame);
  if (!k.x) return null;
  return { openAtMs: k.t, closeAtMs: k.T + 1, open: k.o, high: k.h, low: k.l, close: k.c, volume: k.v };
}

const tradeFrame = z.looseObject({ t: wireId, p: wireDecimal, q: wireDecimal, T: wireMs, m: z.boolean() });

/** A trade frame. `m`: the buyer was the maker, so the seller took. */
export function tradeOf(frame: unknown, instrument: string, receivedAtMs: number): VenueTrade {
  const { t, p, q, T, m } = tradeFrame.parse(frame);
  return {
    instrumentId: instrument,
    tradeId: t,
    price: p,
    size: q,
    takerSide: m ? "SELL" : "BUY",
    atMs: T,
    receivedAtMs,
  };
}

const quoteFrame = z.looseObject({ b: wireDecimal, B: wireDecimal, a: wireDecimal, A: wireDecimal });

/** Best bid and ask of a bookTicker frame, which has no time of the venue's. */
export function quoteOf(frame: unknown, instrument: string, receivedAtMs: number): Quote {
  const { b, B, a, A } = quoteFrame.parse(frame);
  return { instrumentId: instrument, bid: b, bidSize: B, ask: a, askSize: A, receivedAtMs };
}

const quoteRow = z.looseObject({
  bidPrice: wireDecimal,
  bidQty: wireDecimal,
  askPrice: wireDecimal,
  askQty: wireDecimal,
});

/** Best bid and ask of an answer to `ticker/bookTicker`. */
export function quoteAnswerOf(body: unknown, instrument: string, receivedAtMs: number): Quote {
  const { bidPrice: bid, bidQty: bidSize, askPrice: ask, askQty: askSize } = quoteRow.parse(body);
  return { instrumentId: instrument, bid, bidSize, ask, askSize, receivedAtMs };
}

const tradeRow = z.looseObject({
  id: wireId,
  price: wireDecimal,
  qty: wireDecimal,
  time: wireMs,
  isBuyerMaker: z.boolean(),
});

/** Trades of a trades or historicalTrades answer, oldest first. */
export function tradesOf(rows: unknown, instrument: string, receivedAtMs: number): VenueTrade[] {
  return z
    .array(tradeRow)
    .parse(rows)
    .map((row) => ({
      instrumentId: instrument,
      tradeId: row.id,
      price: row.price,
      size: row.qty,
      takerSide: row.isBuyerMaker ? "SELL" : "BUY",
      atMs: row.time,
      receivedAtMs,
    }));
}

const serverTimeSchema = z.looseObject({ serverTime: wireMs });

/** The venue's server clock, of an answer to `time`. */
export function serverTimeOf(body: unknown): number {
  return serverTimeSchema.parse(body).serverTime;
}

import { exchangeInfoOf } from "#services/paper-exchange/market/instrument.ts";
import type { Market } from "#services/paper-exchange/market/market.ts";
import { type PublicTrade, tradesOf } from "#services/paper-exchange/prices/replay.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import { timeFrameSchema } from "#shared/domain/time-frame.ts";
import { aggTradeFrame, bookTickerFrame, candleRow, klineRow } from "./frames.ts";
import { illegal, missing, REFUSALS, type Refusal } from "./refusal.ts";
import type { Params } from "./signature.ts";

type Endpoint = (market: Market, params: Params) => object | Refusal;

const MAX_LIMIT = 1_000;
const BINANCE_INTERVALS = new Set("1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M".split(" "));

/** A whole number among the parameters; the default where it was not sent. */
export function wholeNumber(params: Params, name: string, otherwise: number): number | Refusal {
  const text = params.get(name);
  if (text === undefined || text === "") return otherwise;
  return /^\d{1,16}$/.test(text) ? Number(text) : illegal(name, "^[0-9]{1,20}$");
}

/** Reads several whole numbers at once; the first that is wrong is the answer. */
export function wholeNumbers<Name extends string>(
  params: Params,
  defaults: Record<Name, number>,
): { kind: "read"; values: Record<Name, number> } | Refusal {
  const values = { ...defaults };
  for (const name of Object.keys(defaults) as Name[]) {
    const value = wholeNumber(params, name, defaults[name]);
    if (typeof value !== "number") return value;
    values[name] = value;
  }
  return { kind: "read", values };
}

/** Null: the symbol is the market's. */
export function checkSymbol(market: Market, params: Params): Refusal | null {
  const symbol = params.get("symbol");
  if (symbol === undefined || symbol === "") return missing("symbol");
  return symbol === market.instrument.venueSymbol ? null : REFUSALS.badSymbol;
}

function exchangeInfo(market: Market, params: Params): object | Refusal {
  const own = market.instrument.venueSymbol;
  const symbol = params.get("symbol");
  const symbols = params.get("symbols");
  if (symbol !== undefined && symbol !== own) return REFUSALS.badSymbol;
  if (symbols !== undefined && symbols !== JSON.stringify([own])) return REFUSALS.badSymbol;
  return exchangeInfoOf(market.instrument, market.clock.nowMs(), {
    marketEnded: market.finished,
    synthetic: market.synthetic !== null,
  });
}

/** Closed bars alone: what is forming is seen in the stream, and nothing of a later bar is seen anywhere. */
function klines(market: Market, params: Params): object | Refusal {
  const wrong = checkSymbol(market, params);
  if (wrong !== null) return wrong;
  const interval = params.get("interval");
  if (interval === undefined || interval === "") return missing("interval");
  if (!BINANCE_INTERVALS.has(interval)) return REFUSALS.badInterval;
  const read = wholeNumbers(params, { startTime: -1, endTime: Number.MAX_SAFE_INTEGER, limit: 500 });
  if (read.kind === "refused") return read;
  const { instrument } = market;
  if (market.timeFrames.length === 0) return [];
  const timeFrame = timeFrameSchema.safeParse(interval).data;
  if (timeFrame === undefined || !market.timeFrames.includes(timeFrame)) return REFUSALS.badInterval;
  const { startTime, endTime } = read.values;
  const limit = Math.min(read.values.limit, MAX_LIMIT);
  const inRange = market.closedBars(timeFrame).filter((bar) => bar.openAtMs >= startTime && bar.openAtMs <= endTime);
  const page = startTime < 0 ? inRange.slice(-limit) : inRange.slice(0, limit);
  return page.map((bar) => ("n" in bar ? klineRow(bar, tradesOf(bar, instrument.sizeStep)) : candleRow(bar)));
}

/** Trades in a page: from an id, in a span of time, or the newest. */
function pageOfTrades(market: Market, params: Params): PublicTrade[] | Refusal {
  const wrong = checkSymbol(market, params);
  if (wrong !== null) return wrong;
  const read = wholeNumbers(params, { fromId: -1, startTime: -1, endTime: Number.MAX_SAFE_INTEGER, limit: 500 });
  if (read.kind === "refused") return read;
  const { fromId, startTime, endTime } = read.values;
  const limit = Math.min(read.values.limit, MAX_LIMIT);
  if (fromId >= 0) return market.trades(fromId, limit);
  const last = market.cursor.lastTradeId;
  if (startTime < 0 && !params.has("endTime")) return market.trades(last - limit + 1, limit);
  const inRange = market.trades(1, last).filter(({ atMs }) => atMs >= startTime && atMs <= endTime);
  return startTime < 0 ? inRange.slice(-limit) : inRange.slice(0, limit);
}

function listTrades(write: (symbol: string, trade: PublicTrade) => object): Endpoint {
  return (market, params) => {
    const trades = pageOfTrades(market, params);
    return Array.isArray(trades) ? trades.map((trade) => write(market.instrument.venueSymbol, trade)) : trades;
  };
}

function tradeRow(_symbol: string, { id, price, size, atMs }: PublicTrade): object {
  const quoteQty = plain(decimal(price).times(size));
  return { id, price, qty: size, quoteQty, time: atMs, isBuyerMaker: false, isBestMatch: true };
}

function aggTradeRow(symbol: string, trade: PublicTrade): object {
  const { e: _event, E: _at, s: _symbol, ...row } = aggTradeFrame(symbol, trade) as Record<string, unknown>;
  return row;
}

/** Answers for one symbol as an object, for all as a list, as Binance does. */
function ticker(write: (market: Market, trade: PublicTrade | null) => object): Endpoint {
  return (market, params) => {
    const last = market.trades(market.cursor.lastTradeId, 1)[0] ?? null;
    if (!params.has("symbol")) return [write(market, last)];
    return checkSymbol(market, params) ?? write(market, last);
  };
}

function bookTickerRow({ instrument, halfSpread }: Market, trade: PublicTrade | null): object {
  const symbol = instrument.venueSymbol;
  const { b, B, a, A } = (trade === null ? {} : bookTickerFrame(symbol, trade, halfSpread)) as Record<string, string>;
  return { symbol, bidPrice: b ?? "0", bidQty: B ?? "0", askPrice: a ?? "0", askQty: A ?? "0" };
}

/** The public endpoints below /api/v3, all GET. A Map: whoever asks chooses the name, and an object also has `constructor`. */
export const PUBLIC_ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map<string, Endpoint>(
  Object.entries({
    ping: () => ({}),
    time: (market) => ({ serverTime: market.clock.nowMs() }),
    exchangeInfo,
    klines,
    trades: listTrades(tradeRow),
    historicalTrades: listTrades(tradeRow),
    aggTrades: listTrades(aggTradeRow),
    "ticker/price": ticker(({ instrument }, trade) => ({ symbol: instrument.venueSymbol, price: trade?.price ?? "0" })),
    "ticker/bookTicker": ticker(bookTickerRow),
  }),
);

/** Their names as methods of the WebSocket API. */
export const PUBLIC_METHODS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ping: "ping",
    time: "time",
    exchangeInfo: "exchangeInfo",
    klines: "klines",
    "trades.recent": "trades",
    "trades.historical": "historicalTrades",
    "trades.aggregate": "aggTrades",
    "ticker.price": "ticker/price",
    "ticker.book": "ticker/bookTicker",
  }),
);

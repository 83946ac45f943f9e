import type { BalanceRow, VenueFillRow, VenueOrderRow } from "#services/paper-exchange/ledger/ledger-types.ts";
import type { ReplayBar } from "#services/paper-exchange/prices/bars.ts";
import { type CandleRow, closeAtMsOf } from "#services/paper-exchange/prices/candles.ts";
import { POINTS, type PublicTrade } from "#services/paper-exchange/prices/replay.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";

/** The frames Binance sends, as objects. Amounts are plain decimal text; times are market time. */

export function tradeFrame(symbol: string, trade: PublicTrade): object {
  const { id, price, size, atMs } = trade;
  return { e: "trade", E: atMs, s: symbol, t: id, p: price, q: size, T: atMs, m: false, M: true };
}

export function aggTradeFrame(symbol: string, trade: PublicTrade): object {
  const { id, price, size, atMs } = trade;
  return { e: "aggTrade", E: atMs, s: symbol, a: id, p: price, q: size, f: id, l: id, T: atMs, m: false, M: true };
}

/** Best bid and ask: a spread around its last price where it has one, and unlimited depth there. */
export function bookTickerFrame(symbol: string, trade: PublicTrade, halfSpread: string): object {
  const { id, price, size } = trade;
  const below = decimal(price).minus(halfSpread);
  // A price at its lowest has no bid below it.
  const [bid, ask] = [below.gt(0) ? below : decimal(price), decimal(price).plus(halfSpread)];
  return { u: id, s: symbol, b: plain(bid), B: size, a: plain(ask), A: size };
}

/** A bar, closed or forming, from the trades it has shown. `T` is its last millisecond, as Binance has it. */
export function klineFrame(
  symbol: string,
  interval: TimeFrame,
  bar: ReplayBar,
  shown: { trades: readonly PublicTrade[]; closed: boolean },
): object {
  const prices = shown.trades.map((trade) => decimal(trade.price));
  const [first, last] = [shown.trades[0], shown.trades.at(-1)];
  const totals = totalsOf(shown.trades);
  const forming = {
    h: plain(prices.reduce((one, other) => (other.gt(one) ? other : one), decimal(bar.open))),
    l: plain(prices.reduce((one, other) => (other.lt(one) ? other : one), decimal(bar.open))),
    c: last?.price ?? bar.open,
  };
  const candle = shown.closed ? { h: bar.high, l: bar.low, c: bar.close } : forming;
  return {
    e: "kline",
    E: shown.closed ? bar.closeAtMs : (last?.atMs ?? bar.openAtMs),
    s: symbol,
    k: {
      t: bar.openAtMs,
      T: bar.closeAtMs - 1,
      s: symbol,
      i: interval,
      f: first?.id ?? -1,
      L: last?.id ?? -1,
      o: bar.open,
      ...candle,
      v: totals.volume,
      n: shown.trades.length,
      x: shown.closed,
      q: totals.quote,
      V: totals.volume,
      Q: totals.quote,
      B: "0",
    },
  };
}

/** A bar of a synthetic market, closed or forming. */
export function candleFrame(symbol: string, candle: CandleRow, atMs: number): object {
  const { timeFrame, openAtMs, open, high, low, close, volume, quote, trades, closed } = candle;
  return {
    e: "kline",
    E: atMs,
    s: symbol,
    k: {
      t: openAtMs,
      T: closeAtMsOf(candle) - 1,
      s: symbol,
      i: timeFrame,
      f: -1,
      L: -1,
      o: open,
      h: high,
      l: low,
      c: close,
      v: volume,
      n: trades,
      x: closed,
      q: quote,
      V: volume,
      Q: quote,
      B: "0",
    },
  };
}

/** A closed bar of a synthetic market as GET klines lists it. */
export function candleRow(candle: CandleRow): (string | number)[] {
  const { openAtMs, open, high, low, close, volume, quote, trades } = candle;
  return [openAtMs, open, high, low, close, volume, closeAtMsOf(candle) - 1, quote, trades, volume, quote, "0"];
}

/** A closed bar as GET klines lists it. */
export function klineRow(bar: ReplayBar, trades: readonly PublicTrade[]): (string | number)[] {
  const { volume, quote } = totalsOf(trades);
  const { openAtMs, open, high, low, close, closeAtMs } = bar;
  return [openAtMs, open, high, low, close, volume, closeAtMs - 1, quote, POINTS, volume, quote, "0"];
}

function totalsOf(trades: readonly PublicTrade[]): { volume: string; quote: string } {
  const zero = { volume: decimal("0"), quote: decimal("0") };
  const sum = trades.reduce(
    (total, { size, price }) => ({
      volume: total.volume.plus(size),
      quote: total.quote.plus(decimal(size).times(price)),
    }),
    zero,
  );
  return { volume: plain(sum.volume), quote: plain(sum.quote) };
}

/** What happened to an order, for the user stream. `cancelId` is the client order id of the cancel itself. */
export interface Execution {
  number: number;
  symbol: string;
  order: VenueOrderRow;
  type: "NEW" | "TRADE" | "CANCELED" | "EXPIRED" | "TRADE_PREVENTION";
  /** The status that is told, where it is not the one that the order ends with. */
  shown?: string;
  fill?: VenueFillRow;
  cancelId?: string;
  atMs: number;
}

export function executionReport({ number, symbol, order, type, shown, fill, cancelId, atMs }: Execution): object {
  return {
    e: "executionReport",
    E: atMs,
    s: symbol,
    c: cancelId ?? order.clientOrderId,
    S: order.side,
    o: order.type,
    f: order.timeInForce,
    q: order.size,
    p: order.price,
    P: "0",
    F: "0",
    g: -1,
    C: cancelId === undefined ? "" : order.clientOrderId,
    x: type,
    X: shown ?? order.status,
    r: order.reason ?? "NONE",
    i: order.id,
    l: fill?.size ?? "0",
    z: order.filled,
    L: fill?.price ?? "0",
    n: fill?.fee ?? "0",
    N: fill?.feeAsset ?? null,
    T: atMs,
    t: fill?.tradeId ?? -1,
    I: number,
    w: order.status === "NEW",
    m: fill?.maker ?? false,
    M: fill !== undefined,
    O: order.createdAtMs,
    Z: order.quote,
    Y: fill?.quote ?? "0",
    Q: "0",
    W: order.createdAtMs,
    V: "NONE",
  };
}

export function accountPosition(balances: readonly BalanceRow[], atMs: number): object {
  const B = balances.map(({ asset, free, locked }) => ({ a: asset, f: free, l: locked }));
  return { e: "outboundAccountPosition", E: atMs, u: atMs, B };
}

import type { VenueTrade } from "#shared/domain/candle.ts";
import { type Decimal, decimal, plain } from "#shared/domain/decimal.ts";
import { candleOpenAtMs, type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";
import { tradeLinkOf } from "./trade-ids.ts";

/** A candle that trades have made. Amounts are decimal text; the trade ids are the venue's. */
export interface TradedCandle {
  openAtMs: number;
  /** Exclusive. */
  closeAtMs: number;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
  lastTradeId: string;
  /** When its newest trade happened at the venue. */
  tradedAtMs: number;
  /** Of the newest trade in it. */
  receivedAtMs: number;
}

/** The same while trades make it: what is compared and added up stays a number. */
export interface FormingCandle extends Omit<TradedCandle, "high" | "low" | "volume"> {
  high: Decimal;
  low: Decimal;
  volume: Decimal;
}

/** A candle as its trades have made it so far. */
export function candleOf(forming: FormingCandle): TradedCandle {
  return { ...forming, high: plain(forming.high), low: plain(forming.low), volume: plain(forming.volume) };
}

/**
 * Trades of one instrument that every candle takes in together: their ids grow by one, and none of them opens a candle that the
 * first does not open.
 */
export interface TradeRun {
  /** In order of their ids, one at least. */
  trades: readonly VenueTrade[];
  first: VenueTrade;
  last: VenueTrade;
  high: Decimal;
  low: Decimal;
  volume: Decimal;
  /** When the newest of them happened at the venue: ids grow, times may step back. */
  tradedAtMs: number;
  /** The least time between a trade and its arrival. */
  aheadMs: number;
}

/** What trades did: `closed` is the candle that they ended, if they opened a later one. */
export interface Aggregation {
  forming: FormingCandle;
  closed: TradedCandle | null;
}

/** The longest time of which no candle of these time frames has a part: each of them opens at whole multiples of it (UTC). */
function unitMs(timeFrames: readonly TimeFrame[]): number {
  // A week opens on a Monday, which is a whole multiple of a day but of no week.
  const lengths = timeFrames.map((timeFrame) => timeFrameMs(timeFrame === "1w" ? "1d" : timeFrame));
  return lengths.reduce(greatestCommonDivisor, 0);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * Trades, in order of their ids, as the runs that candles of all these time frames take in: so each trade is added up once,
 * however many time frames there are. Exact.
 */
export function runsOf(trades: readonly VenueTrade[], timeFrames: readonly TimeFrame[]): TradeRun[] {
  const unit = unitMs(timeFrames);
  const runs: TradeRun[] = [];
  let begin = 0;
  let newestMs = 0;
  for (const [index, trade] of trades.entries()) {
    const before = trades[index - 1];
    const goesOn =
      before !== undefined &&
      Math.floor(trade.atMs / unit) <= Math.floor(newestMs / unit) &&
      tradeLinkOf(before.tradeId, trade.tradeId) === "next";
    if (!goesOn && index > begin) runs.push(runOf(trades.slice(begin, index)));
    if (!goesOn) begin = index;
    newestMs = goesOn ? Math.max(newestMs, trade.atMs) : trade.atMs;
  }
  if (trades.length > begin) runs.push(runOf(trades.slice(begin)));
  return runs;
}

/** The same trades, each as a run of its own. */
export function singlesOf({ trades }: Pick<TradeRun, "trades">): TradeRun[] {
  return trades.map((trade) => runOf([trade]));
}

function runOf(trades: readonly VenueTrade[]): TradeRun {
  const [first] = trades;
  const last = trades.at(-1);
  if (first === undefined || last === undefined) throw new RangeError("A run has one trade at least.");
  let high = decimal(first.price);
  let low = high;
  let volume = decimal(first.size);
  let tradedAtMs = first.atMs;
  let aheadMs = first.receivedAtMs - first.atMs;
  for (const { price: text, size, atMs, receivedAtMs } of trades.slice(1)) {
    const price = decimal(text);
    if (price.gt(high)) high = price;
    else if (price.lt(low)) low = price;
    volume = volume.plus(decimal(size));
    tradedAtMs = Math.max(tradedAtMs, atMs);
    aheadMs = Math.min(aheadMs, receivedAtMs - atMs);
  }
  return { trades, first, last, high, low, volume, tradedAtMs, aheadMs };
}

/** A candle of one run. It opens at the whole multiple (UTC) of the time frame that holds the first trade. */
function openCandle(timeFrame: TimeFrame, { first, last, high, low, volume, tradedAtMs }: TradeRun): FormingCandle {
  const openAtMs = candleOpenAtMs(timeFrame, first.atMs);
  return {
    openAtMs,
    closeAtMs: openAtMs + timeFrameMs(timeFrame),
    open: first.price,
    high,
    low,
    close: last.price,
    volume,
    lastTradeId: last.tradeId,
    tradedAtMs,
    receivedAtMs: last.receivedAtMs,
  };
}

/**
 * Adds trades to the forming candle (null: there is none). Runs come in order of their ids; a trade with an earlier time
 * than the candle's opening still counts into it. A stretch without a trade makes no candle. Exact.
 */
export function addTrades(timeFrame: TimeFrame, forming: FormingCandle | null, run: TradeRun): Aggregation {
  if (forming === null) return { forming: openCandle(timeFrame, run), closed: null };
  if (run.first.atMs >= forming.closeAtMs) return { forming: openCandle(timeFrame, run), closed: candleOf(forming) };
  return {
    closed: null,
    forming: {
      ...forming,
      high: run.high.gt(forming.high) ? run.high : forming.high,
      low: run.low.lt(forming.low) ? run.low : forming.low,
      close: run.last.price,
      volume: forming.volume.plus(run.volume),
      lastTradeId: run.last.tradeId,
      tradedAtMs: Math.max(forming.tradedAtMs, run.tradedAtMs),
      receivedAtMs: run.last.receivedAtMs,
    },
  };
}

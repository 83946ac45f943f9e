import type { VenueTrade } from "#shared/domain/candle.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import { candleOpenAtMs, type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";

/** A candle while trades make it. Amounts are decimal text; the trade ids are the venue's. */
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

/** What a trade did: `closed` is the candle that it ended, if it opened a later one. */
export interface Aggregation {
  forming: TradedCandle;
  closed: TradedCandle | null;
}

/** A candle of one trade. It opens at the whole multiple (UTC) of the time frame that holds the trade. */
function openCandle(timeFrame: TimeFrame, trade: VenueTrade): TradedCandle {
  const openAtMs = candleOpenAtMs(timeFrame, trade.atMs);
  return {
    openAtMs,
    closeAtMs: openAtMs + timeFrameMs(timeFrame),
    open: trade.price,
    high: trade.price,
    low: trade.price,
    close: trade.price,
    volume: trade.size,
    lastTradeId: trade.tradeId,
    tradedAtMs: trade.atMs,
    receivedAtMs: trade.receivedAtMs,
  };
}

/**
 * Adds a trade to the forming candle (null: there is none). Trades come in order of their ids; one with an earlier time
 * than the candle's opening still counts into it. A stretch without a trade makes no candle. Exact.
 */
export function addTrade(timeFrame: TimeFrame, forming: TradedCandle | null, trade: VenueTrade): Aggregation {
  if (forming === null) return { forming: openCandle(timeFrame, trade), closed: null };
  if (trade.atMs >= forming.closeAtMs) return { forming: openCandle(timeFrame, trade), closed: forming };
  const price = decimal(trade.price);
  return {
    closed: null,
    forming: {
      ...forming,
      high: price.gt(forming.high) ? trade.price : forming.high,
      low: price.lt(forming.low) ? trade.price : forming.low,
      close: trade.price,
      volume: plain(decimal(forming.volume).plus(trade.size)),
      lastTradeId: trade.tradeId,
      // Ids grow, times may step back: the market's clock does not.
      tradedAtMs: Math.max(forming.tradedAtMs, trade.atMs),
      receivedAtMs: trade.receivedAtMs,
    },
  };
}

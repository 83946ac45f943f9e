import { addTrade, type TradedCandle } from "#shared/candles/aggregate.ts";
import type { Candle, VenueTrade } from "#shared/domain/candle.ts";
import { formingNumber, type Series } from "./series.ts";

/** What is remembered of a series between two trades. */
export interface TradeProgress {
  forming: TradedCandle | null;
  /** When the candle before the forming one opened; null: not seen. */
  beforeOpenAtMs: number | null;
  /** The last trade that was aggregated. */
  lastTradeId: string | null;
  /** Of a series from trades: whether the forming candle has all its trades. A candle that was joined half-way has not. */
  isWhole: boolean;
  /** Whether the market's clock is wall time: then a candle may be closed by it. A replay's is not. */
  isLive: boolean;
}

export const NO_PROGRESS: TradeProgress = {
  forming: null,
  beforeOpenAtMs: null,
  lastTradeId: null,
  isWhole: false,
  isLive: false,
};

/** A trade that arrives later than this after it happened is no live one. */
const LIVE_WITHIN_MS = 10_000;

/** What a trade did to a series. `closed` is set where it ended a candle; that one was `wasWhole` or not. */
export interface TradeStep {
  progress: TradeProgress;
  closed: TradedCandle | null;
  wasWhole: boolean;
}

/** Takes one trade in. A trade that opens a new candle behind one that was seen forming makes the new one whole. */
export function stepTrade(series: Series, progress: TradeProgress, trade: VenueTrade): TradeStep {
  const { forming, closed } = addTrade(series.timeFrame, progress.forming, trade);
  const isLive = Math.abs(trade.receivedAtMs - trade.atMs) < LIVE_WITHIN_MS;
  // With a stored last trade, aggregation begins right behind a closed candle.
  const begins = progress.forming === null && progress.lastTradeId !== null;
  return {
    closed,
    wasWhole: progress.isWhole,
    progress: {
      forming,
      beforeOpenAtMs: closed?.openAtMs ?? progress.beforeOpenAtMs,
      lastTradeId: trade.tradeId,
      isWhole: progress.isWhole || closed !== null || begins,
      isLive,
    },
  };
}

/** The forming candle as it is published, with the number that it will have. */
export function formingCandle(series: Series, progress: TradeProgress): Candle | null {
  const { forming, beforeOpenAtMs } = progress;
  if (forming === null) return null;
  const { lastTradeId: _, ...prices } = forming;
  return {
    instrumentId: series.instrumentId,
    timeFrame: series.timeFrame,
    source: series.source,
    n: formingNumber(series, forming.openAtMs, beforeOpenAtMs),
    closed: false,
    ...prices,
  };
}

/** Whether the wall clock ends the candle: its time is over, and `graceMs` for trades that are on their way. */
export function isOver(progress: TradeProgress, nowMs: number, graceMs: number): boolean {
  return progress.isLive && progress.forming !== null && nowMs >= progress.forming.closeAtMs + graceMs;
}

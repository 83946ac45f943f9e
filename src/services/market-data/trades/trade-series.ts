import { formingNumber, type Series } from "#services/market-data/series/series.ts";
import {
  addTrades,
  candleOf,
  type FormingCandle,
  type TradedCandle,
  type TradeRun,
} from "#shared/candles/aggregate.ts";
import type { Candle, VenueTrade } from "#shared/domain/candle.ts";
import { timeFrameMs } from "#shared/domain/time-frame.ts";

/** What is remembered of a series between two trades. */
export interface TradeProgress {
  forming: FormingCandle | null;
  /** When the candle before the forming one opened; null: not seen. */
  beforeOpenAtMs: number | null;
  /** The last trade that was aggregated. */
  lastTradeId: string | null;
  /** Of a series from trades: whether the forming candle has all its trades. One that was joined half-way has not. */
  isWhole: boolean;
  /** Whether the market's clock is wall time: then a candle may be closed by it. A replay's is not. */
  isLive: boolean;
  /** When the newest trade happened at the venue; 0: none was seen. */
  tradedAtMs: number;
  /**
   * How far our wall clock is ahead of the venue's, as its trades show: the least time between a trade and its arrival. One
   * late trade changes nothing; a venue's clock that is behind makes all of them look late.
   */
  aheadMs: number;
}

export const NO_PROGRESS: TradeProgress = {
  forming: null,
  beforeOpenAtMs: null,
  lastTradeId: null,
  isWhole: false,
  isLive: false,
  tradedAtMs: 0,
  aheadMs: Number.POSITIVE_INFINITY,
};

/**
 * Where a series of trades goes on after a restart. The last stored trade happened before the head ended; this time shows
 * when ids have begun anew meanwhile.
 */
export function progressBehind({ lastTradeId, headOpenAtMs, timeFrame }: Series): TradeProgress {
  const tradedAtMs = headOpenAtMs === null ? 0 : headOpenAtMs + timeFrameMs(timeFrame);
  return lastTradeId === null ? NO_PROGRESS : { ...NO_PROGRESS, lastTradeId, tradedAtMs };
}

/** A trade that arrives later than this after it happened is no live one. */
const LIVE_WITHIN_MS = 10_000;

/** The wall clock of a host may be set back while it runs: what its trades told is forgotten by so much each. */
const FORGET_MS = 1;

/**
 * What trades did to a series. `closed`: the candle that they ended, if any; `wasWhole`: whether that one had all its trades.
 * `isLate`: the clock had closed the trades' own candle before, so that no candle has them.
 */
export interface TradeStep {
  progress: TradeProgress;
  closed: TradedCandle | null;
  wasWhole: boolean;
  isLate: boolean;
}

/**
 * Takes trades in. A candle is whole where the one before it was seen forming. A trade whose candle is closed never opens
 * it again.
 */
export function stepTrades(series: Series, before: TradeProgress, run: TradeRun): TradeStep {
  const { first, last } = run;
  const progress: TradeProgress = {
    ...before,
    tradedAtMs: Math.max(before.tradedAtMs, run.tradedAtMs),
    aheadMs: Math.min(before.aheadMs + FORGET_MS * run.trades.length, run.aheadMs),
  };
  const newestMs = Math.max(
    series.headOpenAtMs ?? Number.NEGATIVE_INFINITY,
    progress.beforeOpenAtMs ?? Number.NEGATIVE_INFINITY,
  );
  const closedUntilMs = newestMs + timeFrameMs(series.timeFrame);
  if (progress.forming === null && first.atMs < closedUntilMs) {
    const passed = { ...progress, lastTradeId: last.tradeId };
    // The first trade that is seen may well be of the head, which came from the venue's bars with all its trades.
    return { progress: passed, closed: null, wasWhole: false, isLate: before.lastTradeId !== null };
  }
  const { forming, closed } = addTrades(series.timeFrame, progress.forming, run);
  const isLive = Math.abs(last.receivedAtMs - last.atMs) < LIVE_WITHIN_MS;
  // With a stored last trade, aggregation begins right behind a closed candle.
  const begins = progress.forming === null && progress.lastTradeId !== null;
  return {
    closed,
    wasWhole: progress.isWhole,
    isLate: false,
    progress: {
      ...progress,
      forming,
      beforeOpenAtMs: closed?.openAtMs ?? progress.beforeOpenAtMs,
      lastTradeId: last.tradeId,
      isWhole: progress.isWhole || closed !== null || begins,
      isLive,
    },
  };
}

/** The forming candle as it is published, with the number that it will have. */
export function formingCandle(series: Series, progress: TradeProgress): Candle | null {
  const { forming, beforeOpenAtMs } = progress;
  if (forming === null) return null;
  const { lastTradeId: _, ...prices } = candleOf(forming);
  return {
    instrumentId: series.instrumentId,
    timeFrame: series.timeFrame,
    source: series.source,
    n: formingNumber(series, forming.openAtMs, beforeOpenAtMs),
    closed: false,
    ...prices,
  };
}

/** Whether the venue's clock ends the candle: its time is over, and `graceMs` for trades that are on their way. `nowMs`: of ours. */
export function isOver(progress: TradeProgress, nowMs: number, graceMs: number): boolean {
  const { isLive, forming, aheadMs } = progress;
  return isLive && forming !== null && nowMs - Math.max(0, aheadMs) >= forming.closeAtMs + graceMs;
}

/**
 * A trade with an older id may have happened this much later than one with a newer id, and no more. Short: ids that begin
 * anew have to be noticed before they have grown beyond the last one.
 */
const OUT_OF_ORDER_MS = 1_000;

/**
 * Whether a trade with an id that was passed is a new one: then the venue's ids have begun anew, as after a reset of a test
 * network.
 */
export function beginsAnew({ tradedAtMs }: TradeProgress, trade: VenueTrade): boolean {
  return tradedAtMs > 0 && trade.atMs > tradedAtMs + OUT_OF_ORDER_MS;
}

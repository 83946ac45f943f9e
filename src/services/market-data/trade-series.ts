import { addTrade, type TradedCandle } from "#shared/candles/aggregate.ts";
import type { Candle, VenueTrade } from "#shared/domain/candle.ts";
import { timeFrameMs } from "#shared/domain/time-frame.ts";
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
  /** When the newest trade happened at the venue; 0: none was seen. */
  tradedAtMs: number;
  /**
   * How far our wall clock is ahead of the venue's, as far as its trades tell: the least time between a trade and its arrival.
   * A trade that came late tells nothing, a venue's clock that is behind does.
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
 * Where a series of trades goes on from the store. The last trade that is stored happened in the head at the latest: so ids that
 * have begun anew meanwhile are noticed.
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
 * What a trade did to a series. `closed` is set where it ended a candle; that one was `wasWhole` or not. `isLate`: the candle
 * that it belongs to was closed by the clock before it came, so that it is in none.
 */
export interface TradeStep {
  progress: TradeProgress;
  closed: TradedCandle | null;
  wasWhole: boolean;
  isLate: boolean;
}

/**
 * Takes one trade in. A trade that opens a new candle behind one that was seen forming makes the new one whole. One whose
 * candle is closed already never opens it again.
 */
export function stepTrade(series: Series, before: TradeProgress, trade: VenueTrade): TradeStep {
  const progress: TradeProgress = {
    ...before,
    tradedAtMs: Math.max(before.tradedAtMs, trade.atMs),
    aheadMs: Math.min(before.aheadMs + FORGET_MS, trade.receivedAtMs - trade.atMs),
  };
  const newestMs = Math.max(
    series.headOpenAtMs ?? Number.NEGATIVE_INFINITY,
    progress.beforeOpenAtMs ?? Number.NEGATIVE_INFINITY,
  );
  const closedUntilMs = newestMs + timeFrameMs(series.timeFrame);
  if (progress.forming === null && trade.atMs < closedUntilMs) {
    const passed = { ...progress, lastTradeId: trade.tradeId };
    // The first trade that is seen may well be of the head, which came from the venue's bars with all its trades.
    return { progress: passed, closed: null, wasWhole: false, isLate: before.lastTradeId !== null };
  }
  const { forming, closed } = addTrade(series.timeFrame, progress.forming, trade);
  const isLive = Math.abs(trade.receivedAtMs - trade.atMs) < LIVE_WITHIN_MS;
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

/** Whether the venue's clock ends the candle: its time is over, and `graceMs` for trades that are on their way. `nowMs`: of ours. */
export function isOver(progress: TradeProgress, nowMs: number, graceMs: number): boolean {
  const { isLive, forming, aheadMs } = progress;
  return isLive && forming !== null && nowMs - Math.max(0, aheadMs) >= forming.closeAtMs + graceMs;
}

/**
 * A venue's ids grow with its time; by more than this no trade of an older id can be newer. Short, since ids that begin anew are
 * only noticed before they have grown beyond the last one.
 */
const TURNED_WITHIN_MS = 1_000;

/** Whether a trade of an id that was passed is none that was seen: its ids have begun anew, as after a reset of a test network. */
export function beginsAnew({ tradedAtMs }: TradeProgress, trade: VenueTrade): boolean {
  return tradedAtMs > 0 && trade.atMs > tradedAtMs + TURNED_WITHIN_MS;
}

import { isFlat } from "#shared/accounting/flat.ts";
import { type Decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { BacktestFill } from "./run.ts";

/** A round trip: from the fill that opened a position to the fill that left nothing (or dust) of it. */
export interface Trade {
  openedBar: number;
  closedBar: number;
  openedAtMs: number;
  closedAtMs: number;
  /** What was held after the fill that opened it, in the base asset. */
  size: Decimal;
  /** Prices of the fills that opened and closed it. */
  entryPrice: Decimal;
  exitPrice: Decimal;
  /** What the cash grew by, fees taken, exact. Dust that stays is not valued. */
  profit: Decimal;
}

/** A trade on the wire: decimals as text, numbered from 1. */
export interface TradeJson {
  number: number;
  openedAtMs: number;
  closedAtMs: number;
  bars: number;
  size: string;
  entryPrice: string;
  exitPrice: string;
  profit: string;
}

/** A trade on the wire. */
export function tradeToJson(trade: Trade, index: number): TradeJson {
  const { openedBar, closedBar, openedAtMs, closedAtMs, size, entryPrice, exitPrice, profit } = trade;
  return {
    number: index + 1,
    openedAtMs,
    closedAtMs,
    bars: closedBar - openedBar,
    size: plain(size),
    entryPrice: plain(entryPrice),
    exitPrice: plain(exitPrice),
    profit: plain(profit),
  };
}

/** The round trips of a run and the bars at whose close a position stood, an open one at the end included. */
export function tradesOf(options: {
  fills: readonly BacktestFill[];
  instrument: Instrument;
  capital: Decimal;
  bars: number;
}): { trades: Trade[]; barsHeld: number } {
  const { fills, instrument, capital, bars } = options;
  const trades: Trade[] = [];
  let barsHeld = 0;
  let opened: { fill: BacktestFill; cashBefore: Decimal } | null = null;
  let cash = capital;
  for (const fill of fills) {
    const holds = !isFlat({ size: fill.size, mark: fill.execution.price, instrument });
    if (opened === null && holds) opened = { fill, cashBefore: cash };
    if (opened !== null && !holds) {
      trades.push({
        openedBar: opened.fill.bar,
        closedBar: fill.bar,
        openedAtMs: opened.fill.execution.atMs,
        closedAtMs: fill.execution.atMs,
        size: opened.fill.size,
        entryPrice: opened.fill.execution.price,
        exitPrice: fill.execution.price,
        profit: fill.cash.minus(opened.cashBefore),
      });
      barsHeld += fill.bar - opened.fill.bar;
      opened = null;
    }
    cash = fill.cash;
  }
  if (opened !== null) barsHeld += bars - opened.fill.bar;
  return { trades, barsHeld };
}

/** Fees of a run: by asset, and their sum in the quote asset with base fees at the price of their fill. Exact. */
export function feesOf(
  fills: readonly BacktestFill[],
  instrument: Instrument,
): { byAsset: Map<string, Decimal>; inQuote: Decimal } {
  const byAsset = new Map<string, Decimal>();
  let inQuote = ZERO;
  for (const { execution } of fills) {
    const { fee, feeAsset, price } = execution;
    byAsset.set(feeAsset, (byAsset.get(feeAsset) ?? ZERO).plus(fee));
    inQuote = inQuote.plus(feeAsset === instrument.base ? fee.times(price) : fee);
  }
  return { byAsset, inQuote };
}

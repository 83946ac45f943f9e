import type { BarRow, RowFault } from "#shared/candles/bar-rows.ts";
import type { Candle, CandleSource } from "#shared/domain/candle.ts";

/** What is kept where rows are to be added. */
export interface KeptCandles {
  source: CandleSource;
  /** When the first and the newest candle opened; null: there is none. */
  span: { firstOpenAtMs: number; headOpenAtMs: number } | null;
  /** Those that opened when one of the rows does. */
  candles: readonly Candle[];
}

/** Where each row goes. */
export interface Placed {
  /** Before the first candle, and behind the newest. */
  earlier: BarRow[];
  later: BarRow[];
  /** How many are kept already, exactly so. */
  same: number;
  /** How many have no trade, where trades make candles. */
  withoutTrade: number;
  faults: RowFault[];
}

const AMOUNTS = ["open", "high", "low", "close", "volume"] as const;

/**
 * Says where rows go, in order of their time. No candle is changed and none gets another number: a row of a candle that is kept
 * has to be that candle, and between candles nothing can be added.
 */
export function placeRows(rows: readonly BarRow[], { source, span, candles }: KeptCandles, nowMs: number): Placed {
  const placed: Placed = { earlier: [], later: [], same: 0, withoutTrade: 0, faults: [] };
  const kept = new Map(candles.map((candle) => [candle.openAtMs, candle]));
  for (const row of rows) {
    const { line } = row;
    const candle = kept.get(row.openAtMs);
    const differing = candle === undefined ? undefined : AMOUNTS.find((name) => candle[name] !== row[name]);
    if (row.closeAtMs > nowMs) placed.faults.push({ line, message: "its bar is not over yet" });
    else if (candle !== undefined && differing !== undefined) {
      const message = `${differing} ${row[differing]} is ${candle[differing]} in candle ${candle.n}, which is kept and stays`;
      placed.faults.push({ line, message });
    } else if (candle !== undefined) placed.same += 1;
    else if (source === "trades" && row.volume === "0") placed.withoutTrade += 1;
    else if (span === null || row.openAtMs > span.headOpenAtMs) placed.later.push(row);
    else if (row.openAtMs < span.firstOpenAtMs) placed.earlier.push(row);
    else placed.faults.push({ line, message: "it stands between candles that are kept: none gets another number" });
  }
  return placed;
}

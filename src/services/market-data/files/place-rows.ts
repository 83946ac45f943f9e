import type { BarRow, RowFault } from "#shared/candles/bar-rows.ts";
import type { Candle, CandleSource } from "#shared/domain/candle.ts";
import { TIME_FRAMES, timeFrameMs } from "#shared/domain/time-frame.ts";

/** When the first and the newest candle of a series opened. */
export interface KeptSpan {
  firstOpenAtMs: number;
  headOpenAtMs: number;
}

/** What is kept where rows are to be added. */
export interface KeptCandles {
  source: CandleSource;
  /** Null: there is none. */
  span: KeptSpan | null;
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
 * has to be that candle, and between candles nothing can be added. So no hole is left at an end either: the rows reach to the
 * candle there, or hold its row, which says that nothing lies between.
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
  // Where trades make the candles, a market that trades in time with a clock has such rows too.
  const longer = source === "bars" ? longerFrame(rows) : null;
  if (longer !== null) placed.faults.unshift(longer);
  if (span !== null && placed.faults.length === 0) placed.faults.push(...holesOf(rows, span, placed));
  return placed;
}

/** Fewer rows may lie so by chance, where a market rests. */
const MANY = 20;

/** Rows that all lie a longer time frame apart are of that one: as a shorter one each would lead to the wrong prices. */
function longerFrame(rows: readonly BarRow[]): RowFault | null {
  const [first] = rows;
  if (first === undefined || rows.length < MANY) return null;
  const lengthMs = first.closeAtMs - first.openAtMs;
  const apart = rows.reduce((common, { openAtMs }) => divisor(common, Math.abs(openAtMs - first.openAtMs)), 0);
  const [longer, own] = [apart, lengthMs].map((ms) => TIME_FRAMES.find((timeFrame) => timeFrameMs(timeFrame) === ms));
  if (apart <= lengthMs || longer === undefined) return null;
  const message = `all its bars are ${longer} or a multiple of it apart, and those of the series are ${own} long: name the file's own timeFrame`;
  return { line: null, message };
}

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));

/** Rows without a trade count as well: they say that nothing lies there. */
function holesOf(
  rows: readonly BarRow[],
  { firstOpenAtMs, headOpenAtMs }: KeptSpan,
  { earlier, later }: Pick<Placed, "earlier" | "later">,
): RowFault[] {
  const isGiven = (wantedMs: number) => rows.some(({ openAtMs }) => openAtMs === wantedMs);
  const faults: RowFault[] = [];
  const last = rows.findLast(({ openAtMs }) => openAtMs < firstOpenAtMs);
  if (earlier.length > 0 && last !== undefined && last.closeAtMs < firstOpenAtMs && !isGiven(firstOpenAtMs)) {
    const missing = barsIn(firstOpenAtMs - last.closeAtMs, last);
    faults.push({ line: last.line, message: holeBefore(missing, firstOpenAtMs) });
  }
  const first = rows.find(({ openAtMs }) => openAtMs > headOpenAtMs);
  if (later.length > 0 && first !== undefined && !isGiven(headOpenAtMs)) {
    const missing = barsIn(first.openAtMs - headOpenAtMs, first) - 1;
    if (missing > 0) faults.push({ line: first.line, message: holeBehind(missing, headOpenAtMs) });
  }
  return faults;
}

const barsIn = (ms: number, { openAtMs, closeAtMs }: BarRow): number => ms / (closeAtMs - openAtMs);
const bars = (count: number): string => (count === 1 ? "one bar" : `${count} bars`);
const CLOSED = "where the market was closed between, the file holds that candle's line too";

function holeBefore(missing: number, openAtMs: number): string {
  const at = new Date(openAtMs).toISOString();
  return `it leaves ${bars(missing)} out before the first candle, which opened at ${at}, for good: send the newest part first; ${CLOSED}`;
}

function holeBehind(missing: number, openAtMs: number): string {
  const at = new Date(openAtMs).toISOString();
  return `it leaves ${bars(missing)} out behind the newest candle, which opened at ${at}, for good: send the oldest part first; ${CLOSED}`;
}

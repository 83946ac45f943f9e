import type { InstrumentTable } from "#services/market-data/instrument-table.ts";
import type { KeptSeries } from "#services/market-data/series/kept-series.ts";
import { type ClosedPrices, numbered, numberedBefore, type Series } from "#services/market-data/series/series.ts";
import type { Store } from "#services/market-data/store.ts";
import type { BarRow, ReadRows, RowFault } from "#shared/candles/bar-rows.ts";
import { requireTimeFrame } from "#shared/candles/time-frame-fault.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { KeyedLock } from "#shared/concurrency/keyed-lock.ts";
import type { CandleSource } from "#shared/domain/candle.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { invalidInput, MOST_FAULTS } from "#shared/errors/field-error.ts";
import { type Placed, placeRows } from "./place-rows.ts";

export interface ImportOptions {
  store: Store;
  kept: KeptSeries;
  instruments: InstrumentTable;
  lock: KeyedLock;
  clock: Clock;
  partitionOf: (instrumentId: string) => number;
}

export interface ImportRequest {
  instrumentId: string;
  timeFrame: TimeFrame;
  source: CandleSource;
}

/** A file of bars that was sent. */
export interface BarsFile {
  /** What its bars stand on, one each. */
  unit: "line" | "row";
  /** The bars that can be used, and what is wrong with the others; INVALID_INPUT where it cannot be read at all. */
  read: (options: { timeFrame: TimeFrame; most: number }) => Promise<ReadRows>;
}

/** What came of an import. */
export interface Imported {
  earlier: number;
  later: number;
  same: number;
  withoutTrade: number;
  firstN: number;
  headN: number;
}

/** Bars of one file: what Postgres writes in one statement in time, and the process checks beside its other work. */
export const MOST_BARS = 50_000;
/** How often the rows are placed anew where candles were added meanwhile. */
const TRIES = 5;

/**
 * Adds the bars of a file to a series, all or none; a series that is not kept yet begins with them.
 *
 * INVALID_INPUT (422): more than 50,000 bars; each line or row that cannot be taken, the first 50, by its number. CONFLICT: the series is kept from another
 * source, or its ends moved again and again meanwhile.
 */
export async function importCandles(options: ImportOptions, request: ImportRequest, file: BarsFile): Promise<Imported> {
  const { store, kept, instruments, lock } = options;
  const { instrumentId, timeFrame, source } = request;
  requireTimeFrame(await instruments.get(instrumentId), timeFrame, "query.timeFrame");
  const { rows, faults } = await file.read({ timeFrame, most: MOST_BARS });
  if (faults.length > 0) throw refused(faults, file);
  return await lock.run(instrumentId, async () => {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const series = (await store.series(instrumentId, timeFrame)) ?? newSeries(request);
      if (series.source !== source) {
        const message = `The series ${instrumentId} ${timeFrame} is kept from ${series.source}: take that source, or remove the series first (DELETE /api/market-data/series).`;
        throw new AppError("CONFLICT", "permanent", message, { details: { source: series.source } });
      }
      const placed = await place(options, series, rows);
      if (placed.faults.length > 0) throw refused(placed.faults, file);
      const added = await add(options, series, placed);
      if (added === null) continue;
      kept.forget(instrumentId);
      const { same, withoutTrade, earlier, later } = placed;
      return { earlier: earlier.length, later: later.length, same, withoutTrade, ...added };
    }
    const message = "Candles were added to the series meanwhile, again and again: nothing was imported. Try again.";
    throw new AppError("CONFLICT", "transient", message);
  });
}

function newSeries({ instrumentId, timeFrame, source }: ImportRequest): Series {
  const empty = { firstN: 1, headN: 0, headOpenAtMs: null, lastTradeId: null };
  return { instrumentId, timeFrame, source, forming: false, history: 1, ...empty };
}

async function place({ store, clock }: ImportOptions, series: Series, rows: readonly BarRow[]): Promise<Placed> {
  const { source, headOpenAtMs } = series;
  const first = await store.first(series);
  const span = first === null || headOpenAtMs === null ? null : { firstOpenAtMs: first.openAtMs, headOpenAtMs };
  const candles =
    span === null
      ? []
      : await store.candlesAt(
          series,
          rows.map(({ openAtMs }) => openAtMs),
        );
  return placeRows(rows, { source, span, candles }, clock.nowMs());
}

/** Null: the series was made or an end of it moved meanwhile, and nothing was written. */
async function add(
  { store, clock, partitionOf }: ImportOptions,
  series: Series,
  { earlier, later }: Placed,
): Promise<Pick<Imported, "firstN" | "headN"> | null> {
  const receivedAtMs = clock.nowMs();
  const pricesOf = ({ line: _line, ...prices }: BarRow): ClosedPrices => ({ ...prices, receivedAtMs });
  const before = numberedBefore(series, earlier.map(pricesOf));
  const behind = numbered(series, later.map(pricesOf));
  if (before.length + behind.length > 0) {
    const made = await store.ensureSeries(series, partitionOf(series.instrumentId), receivedAtMs);
    // Another process may have made it meanwhile, and from another source.
    if (made.source !== series.source) return null;
    if (!(await store.extend(series, { before, behind }))) return null;
  }
  return { firstN: before[0]?.n ?? series.firstN, headN: behind.at(-1)?.n ?? series.headN };
}

function refused(faults: readonly RowFault[], { unit }: BarsFile): AppError {
  const named = faults.slice(0, MOST_FAULTS).map(({ line, message }) => ({
    field: line === null ? "file" : `${unit} ${line}`,
    message,
  }));
  const whole = faults.find(({ line }) => line === null);
  if (whole !== undefined) return invalidInput(named, `The file cannot be taken: ${whole.message}.`);
  const units = faults.length === 1 ? `One ${unit}` : `${faults.length} ${unit}s`;
  return invalidInput(named, `${units} of the file cannot be taken: nothing was imported.`);
}

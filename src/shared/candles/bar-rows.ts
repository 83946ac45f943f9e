import { CsvError, parse } from "csv-parse/sync";
import { z } from "zod";
import { decimal, normalize } from "#shared/domain/decimal.ts";
import { nonNegativeDecimal, positiveDecimal } from "#shared/domain/schemas.ts";
import { candleOpenAtMs, type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";

/** A bar of a file with the line of text (the row of a table, from 1 on) that it stands on; prices and volume as plain decimal text. */
export interface BarRow {
  line: number;
  openAtMs: number;
  closeAtMs: number;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
}

/** What is wrong with a line, a phrase that goes behind "line 7: "; null: with the whole file. */
export interface RowFault {
  line: number | null;
  message: string;
}

/** The rows that can be used, in order, and what is wrong with the others. */
export interface ReadRows {
  rows: BarRow[];
  faults: RowFault[];
}

const PRICES = ["open", "high", "low", "close"] as const;
/** The columns that a file of bars has. */
export const BAR_COLUMNS = ["date", ...PRICES, "volume"] as const;
export type BarColumn = (typeof BAR_COLUMNS)[number];
/** The columns of a file in the words of their cells, all of one length. Null: the cell is empty. */
export type BarTexts = Readonly<Record<BarColumn, readonly (string | null)[]>>;

export interface ReadOptions {
  timeFrame: TimeFrame;
  /** Only the first, so many. */
  limit?: number | undefined;
  /** How many a file may hold: one that holds more is a fault as a whole. */
  most?: number | undefined;
}

/** No line of a bar is longer, in characters. */
const MOST_RECORD = 10_000;
/** No file of bars has more columns. */
const MOST_COLUMNS = 100;

/**
 * Reads bars from CSV text with the columns date, open, high, low, close and volume; others are overlooked. A date is `2024-01-02`
 * (00:00 UTC), `2024-01-02T03:04:00Z`, or whole milliseconds since 1970; a time without a zone is UTC. Each bar is after the one
 * before it, and opens where a bar of the time frame does.
 */
export function readBarRows(csv: string, { timeFrame, limit, most }: ReadOptions): ReadRows {
  const { records, faults } = recordsOf(csv, limit ?? (most === undefined ? undefined : most + 1));
  if (faults.length > 0) return { rows: [], faults };
  if (most !== undefined && records.length > most) return { rows: [], faults: [tooManyBars(most)] };
  return rowsOf(records, timeFrame);
}

/** Reads bars from the columns of a table in the same way: a row is named by its number, from 1 on. */
export function readBarColumns(columns: BarTexts, timeFrame: TimeFrame): ReadRows {
  return rowsOf(recordsOfColumns(columns), timeFrame);
}

/** What is wrong with a file of too many bars. */
export function tooManyBars(most: number): RowFault {
  return { line: null, message: `it holds more than ${most} bars, and has to be sent in parts` };
}

interface BarRecord {
  line: number;
  /** Null: it has another number of fields than the first line. */
  record: BarCells | null;
}
type BarCells = Readonly<Record<BarColumn, string | null>>;

function* recordsOfColumns({ date, open, high, low, close, volume }: BarTexts): Generator<BarRecord> {
  const at = (column: readonly (string | null)[], row: number) => column[row] ?? null;
  for (const row of date.keys()) {
    const prices = { open: at(open, row), high: at(high, row), low: at(low, row), close: at(close, row) };
    yield { line: row + 1, record: { date: at(date, row), ...prices, volume: at(volume, row) } };
  }
}

function rowsOf(records: Iterable<BarRecord>, timeFrame: TimeFrame): ReadRows {
  const found: ReadRows = { rows: [], faults: [] };
  for (const { line, record } of records) {
    const row = record === null ? { line, message: ODD } : rowOf(line, record, timeFrame);
    const before = found.rows.at(-1);
    if ("message" in row) found.faults.push(row);
    else if (before !== undefined && row.openAtMs < before.closeAtMs) {
      const opened = new Date(before.openAtMs).toISOString();
      const message = `its time is not after the bar before it, which opened at ${opened} for a ${timeFrame}`;
      found.faults.push({ line, message });
    } else found.rows.push(row);
  }
  if (found.rows.length + found.faults.length === 0) found.faults.push({ line: null, message: "it holds no bars" });
  return found;
}

/** What is wrong with a file as a whole. */
class Unreadable extends Error {
  constructor(readonly faults: RowFault[]) {
    super();
  }
}

/**
 * The records of a text that is CSV; else what is wrong with it, and none. Columns are no names to the parser: it would make an
 * error with all of them for each line that has another number of fields. More fields than a file of bars has end it at once.
 */
function recordsOf(csv: string, limit: number | undefined): { records: BarRecord[]; faults: RowFault[] } {
  const records: BarRecord[] = [];
  let columns: Columns | null = null;
  try {
    parse(csv, {
      skip_empty_lines: true,
      trim: true,
      bom: true,
      relax_column_count: true,
      max_record_size: MOST_RECORD,
      ...(limit === undefined ? {} : { to: limit + 1 }),
      cast: (field, { index, lines }) => {
        if (index < MOST_COLUMNS) return field;
        throw new Unreadable([{ line: lines, message: `it has more than ${MOST_COLUMNS} columns` }]);
      },
      on_record: (fields: string[], { lines: line, error }) => {
        if (columns === null) columns = columnsOf(fields);
        else records.push({ line, record: error === undefined ? cellsOf(fields, columns) : null });
        return null;
      },
    });
    return { records, faults: [] };
  } catch (error) {
    if (error instanceof Unreadable) return { records: [], faults: error.faults };
    if (!(error instanceof CsvError)) throw error;
    const line = "lines" in error && typeof error["lines"] === "number" ? error["lines"] : null;
    return { records: [], faults: [{ line, message: SENTENCES[error.code] ?? "it is no CSV" }] };
  }
}

/** Where in a line each column stands. */
type Columns = Readonly<Record<BarColumn, number>>;

function columnsOf(names: readonly string[]): Columns {
  const missing = BAR_COLUMNS.filter((name) => !names.includes(name));
  if (missing.length > 0)
    throw new Unreadable(missing.map((name) => ({ line: 1, message: `there is no column "${name}"` })));
  const at = (name: BarColumn) => names.lastIndexOf(name);
  const prices = { open: at("open"), high: at("high"), low: at("low"), close: at("close") };
  return { date: at("date"), ...prices, volume: at("volume") };
}

function cellsOf(fields: readonly string[], columns: Columns): BarCells {
  const at = (name: BarColumn) => fields[columns[name]] ?? null;
  return {
    date: at("date"),
    open: at("open"),
    high: at("high"),
    low: at("low"),
    close: at("close"),
    volume: at("volume"),
  };
}

const ODD = "it has another number of fields than the first line has columns";
/** What is wrong with a file, by csv-parse's codes. */
const SENTENCES: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: "a quote is opened and never closed",
  CSV_INVALID_CLOSING_QUOTE: "a quote stands in the middle of a field",
  CSV_MAX_RECORD_SIZE: `it is longer than ${MOST_RECORD} characters`,
  INVALID_OPENING_QUOTE: "a quote stands in the middle of a field",
};

/** No message is as long as a file's field likes. */
const MOST_SHOWN = 60;
const shown = (text: string): string => (text.length <= MOST_SHOWN ? text : `${text.slice(0, MOST_SHOWN)}...`);

function rowOf(line: number, record: BarCells, timeFrame: TimeFrame): BarRow | RowFault {
  const { date } = record;
  if (date === null) return { line, message: "there is no date" };
  const openAtMs = timeOf(date);
  if (openAtMs === null) {
    const forms = "2024-01-02, 2024-01-02T03:04:00Z or milliseconds since 1970";
    return { line, message: `date "${shown(date)}" has to be like ${forms}` };
  }
  if (openAtMs < 0) return { line, message: `date "${shown(date)}" is before 1970` };
  if (candleOpenAtMs(timeFrame, openAtMs) !== openAtMs || BELOW_MS.test(date))
    return { line, message: `date "${shown(date)}" is not where a ${timeFrame} bar opens in UTC` };
  const amounts: Record<string, string> = {};
  for (const name of [...PRICES, "volume"] as const) {
    const text = record[name];
    if (text === null) return { line, message: `there is no ${name}` };
    const read = (name === "volume" ? nonNegativeDecimal : positiveDecimal).safeParse(text);
    if (!read.success)
      return { line, message: `${name} "${shown(text)}" ${read.error.issues[0]?.message ?? "is wrong"}` };
    amounts[name] = normalize(read.data);
  }
  const { open, high, low, close, volume } = amounts as Record<Exclude<BarColumn, "date">, string>;
  for (const [name, price] of [
    ["open", open],
    ["close", close],
  ] as const) {
    if (decimal(price).gte(low) && decimal(price).lte(high)) continue;
    return { line, message: `${name} ${price} is not between low ${low} and high ${high}` };
  }
  return { line, openAtMs, closeAtMs: openAtMs + timeFrameMs(timeFrame), open, high, low, close, volume };
}

/** A fraction that is more than whole milliseconds. */
const BELOW_MS = /\.\d{3}\d*[1-9]/;
const isoTime = z.union([z.iso.date(), z.iso.datetime({ offset: true, local: true })]);

function timeOf(text: string): number | null {
  if (/^\d{12,14}$/.test(text)) return Number(text);
  const ms = isoTime.safeParse(text).success ? Date.parse(inUtc(text)) : Number.NaN;
  return Number.isSafeInteger(ms) ? ms : null;
}

/** A date, or a time without a zone, is meant in UTC. */
function inUtc(text: string): string {
  return /T.*(Z|[+-]\d{2}:?\d{2})$/.test(text) || !text.includes("T") ? text : `${text}Z`;
}

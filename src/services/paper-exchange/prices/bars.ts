import { CsvError, parse } from "csv-parse/sync";
import { z } from "zod";
import { decimal, isMultipleOf, normalize } from "#shared/domain/decimal.ts";
import { nonNegativeDecimal, positiveDecimal } from "#shared/domain/schemas.ts";
import { candleOpenAtMs, type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";

/** A bar of the replay: number from 1, prices and volume as plain decimal text. */
export interface ReplayBar {
  n: number;
  openAtMs: number;
  closeAtMs: number;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
}

export interface BarRules {
  timeFrame: TimeFrame;
  priceStep: string;
  sizeStep: string;
  /** Only the first, so many. */
  limit?: number | undefined;
  /** Where the text is from, for sentences. */
  file: string;
}

/** A row of the file with the line that it stands on. */
interface Row {
  line: number;
  record: Record<string, string>;
}

const PRICES = ["open", "high", "low", "close"] as const;

/**
 * Reads bars from CSV text with the columns date, open, high, low, close and volume. A date is `2024-01-02` (00:00 UTC),
 * `2024-01-02T03:04:00Z`, or whole milliseconds since 1970; a time without a zone is UTC.
 *
 * @throws AppError SETTINGS_INVALID with the file, the line and what is wrong there.
 */
export function readBars(csv: string, rules: BarRules): ReplayBar[] {
  const bars = rowsOf(csv, rules).map((row, index) => toBar(row, index, rules));
  for (const [index, { bar, line }] of bars.entries()) {
    const before = bars[index - 1];
    if (before === undefined || bar.openAtMs >= before.bar.closeAtMs) continue;
    const opened = new Date(before.bar.openAtMs).toISOString();
    throw wrong(
      rules,
      line,
      `its time is not after the bar before it, which opened at ${opened} for a ${rules.timeFrame}`,
    );
  }
  if (bars.length === 0) throw wrong(rules, null, "it holds no bars");
  return bars.map(({ bar }) => bar);
}

function rowsOf(csv: string, rules: BarRules): Row[] {
  try {
    const rows = parse(csv, {
      columns: true,
      skip_empty_lines: true,
      trim: true,
      bom: true,
      info: true,
      ...(rules.limit === undefined ? {} : { to: rules.limit }),
    }) as unknown as { info: { lines: number }; record: Record<string, string> }[];
    return rows.map(({ info, record }) => ({ line: info.lines, record }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = "lines" in error && typeof error["lines"] === "number" ? error["lines"] : null;
    throw wrong(rules, line, SENTENCES[error.code] ?? "it is no CSV", error);
  }
}

/** What is wrong with a file, by csv-parse's codes. */
const SENTENCES: Readonly<Record<string, string>> = {
  CSV_RECORD_INCONSISTENT_COLUMNS: "it has another number of fields than the first line has columns",
  CSV_RECORD_INCONSISTENT_FIELDS_LENGTH: "it has another number of fields than the first line has columns",
  CSV_QUOTE_NOT_CLOSED: "a quote is opened and never closed",
  CSV_INVALID_CLOSING_QUOTE: "a quote stands in the middle of a field",
  INVALID_OPENING_QUOTE: "a quote stands in the middle of a field",
};

function toBar({ line, record }: Row, index: number, rules: BarRules): { bar: ReplayBar; line: number } {
  const amount = (name: string, schema: z.ZodType<string>): string => {
    const text = record[name];
    if (text === undefined) throw wrong(rules, 1, `there is no column "${name}"`);
    const read = schema.safeParse(text);
    if (!read.success) throw wrong(rules, line, `${name} "${text}" ${read.error.issues[0]?.message ?? "is wrong"}`);
    return normalize(read.data);
  };
  const openAtMs = timeOf(record["date"], line, rules);
  const [open, high, low, close] = PRICES.map((name) => amount(name, positiveDecimal)) as [
    string,
    string,
    string,
    string,
  ];
  const volume = amount("volume", nonNegativeDecimal);
  for (const [at, price] of [open, high, low, close].entries()) {
    if (isMultipleOf(decimal(price), decimal(rules.priceStep))) continue;
    throw wrong(rules, line, `${PRICES[at]} ${price} is no multiple of the price step ${rules.priceStep}`);
  }
  if (!isMultipleOf(decimal(volume), decimal(rules.sizeStep)))
    throw wrong(rules, line, `volume ${volume} is no multiple of the size step ${rules.sizeStep}`);
  for (const [name, price] of [
    ["open", open],
    ["close", close],
  ] as const) {
    if (decimal(price).gte(low) && decimal(price).lte(high)) continue;
    throw wrong(rules, line, `${name} ${price} is not between low ${low} and high ${high}`);
  }
  const closeAtMs = openAtMs + timeFrameMs(rules.timeFrame);
  return { line, bar: { n: index + 1, openAtMs, closeAtMs, open, high, low, close, volume } };
}

const isoTime = z.union([z.iso.date(), z.iso.datetime({ offset: true, local: true })]);

function timeOf(text: string | undefined, line: number, rules: BarRules): number {
  if (text === undefined) throw wrong(rules, 1, 'there is no column "date"');
  const ms = /^\d{12,14}$/.test(text)
    ? Number(text)
    : isoTime.safeParse(text).success
      ? Date.parse(inUtc(text))
      : Number.NaN;
  if (!Number.isSafeInteger(ms)) {
    const forms = "2024-01-02, 2024-01-02T03:04:00Z or milliseconds since 1970";
    throw wrong(rules, line, `date "${text}" has to be like ${forms}`);
  }
  if (candleOpenAtMs(rules.timeFrame, ms) !== ms)
    throw wrong(rules, line, `date "${text}" is not where a ${rules.timeFrame} bar opens in UTC`);
  return ms;
}

/** A date, or a time without a zone, is meant in UTC. */
function inUtc(text: string): string {
  return /T.*(Z|[+-]\d{2}:?\d{2})$/.test(text) || !text.includes("T") ? text : `${text}Z`;
}

function wrong({ file }: BarRules, line: number | null, what: string, cause?: unknown): AppError {
  const where = line === null ? file : `${file}, line ${line}`;
  return new AppError("SETTINGS_INVALID", "permanent", `The file of bars cannot be used: ${where}: ${what}.`, {
    cause,
  });
}

import { parse } from "csv-parse/sync";
import { z } from "zod";
import { decimal, isMultipleOf, normalize } from "#shared/domain/decimal.ts";
import { nonNegativeDecimal, positiveDecimal } from "#shared/domain/schemas.ts";
import { type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";
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

const rowSchema = z.object({
  date: z.iso.date(),
  open: positiveDecimal,
  high: positiveDecimal,
  low: positiveDecimal,
  close: positiveDecimal,
  volume: nonNegativeDecimal,
});

export interface BarRules {
  timeFrame: TimeFrame;
  priceStep: string;
  sizeStep: string;
  /** Only the first, so many. */
  limit?: number | undefined;
}

/** Reads bars from CSV text. Throws SETTINGS_INVALID naming the first line that is wrong. */
export function readBars(csv: string, rules: BarRules): ReplayBar[] {
  const rows: unknown[] = parse(csv, {
    columns: true,
    skip_empty_lines: true,
    trim: true,
    ...(rules.limit === undefined ? {} : { to: rules.limit }),
  });
  const bars = rows.map((row, index) => {
    const read = rowSchema.safeParse(row);
    if (!read.success) throw wrong(index, read.error.issues[0]?.path.join(".") ?? "row");
    return toBar(read.data, index, rules);
  });
  bars.forEach((bar, index) => {
    const before = bars[index - 1];
    if (before !== undefined && bar.openAtMs < before.closeAtMs) throw wrong(index, "date");
    const prices = [bar.open, bar.high, bar.low, bar.close];
    if (!prices.every((price) => isMultipleOf(decimal(price), decimal(rules.priceStep))))
      throw wrong(index, "price step");
    if (!isMultipleOf(decimal(bar.volume), decimal(rules.sizeStep))) throw wrong(index, "volume");
  });
  if (bars.length === 0) throw new AppError("SETTINGS_INVALID", "permanent", "The file of bars holds none.");
  return bars;
}

function toBar(row: z.infer<typeof rowSchema>, index: number, rules: BarRules): ReplayBar {
  const openAtMs = Date.parse(`${row.date}T00:00:00Z`);
  return {
    n: index + 1,
    openAtMs,
    closeAtMs: openAtMs + timeFrameMs(rules.timeFrame),
    open: normalize(row.open),
    high: normalize(row.high),
    low: normalize(row.low),
    close: normalize(row.close),
    volume: normalize(row.volume),
  };
}

function wrong(index: number, field: string): AppError {
  return new AppError("SETTINGS_INVALID", "permanent", `Bar ${index + 1} of the file is not valid: ${field}.`);
}

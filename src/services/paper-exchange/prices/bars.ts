import { type BarRow, readBarRows } from "#shared/candles/bar-rows.ts";
import { decimal, isMultipleOf } from "#shared/domain/decimal.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";

/** A bar of the replay: number from 1, prices and volume as plain decimal text. */
export interface ReplayBar extends Omit<BarRow, "line"> {
  n: number;
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

const PRICES = ["open", "high", "low", "close"] as const;

/**
 * Reads bars from CSV text (`bar-rows.ts`), whose prices and volumes are on the market's steps.
 *
 * @throws AppError SETTINGS_INVALID with the file, the line and what is wrong there.
 */
export function readBars(csv: string, rules: BarRules): ReplayBar[] {
  const { rows, faults } = readBarRows(csv, rules);
  const [fault] = faults;
  if (fault !== undefined) throw wrong(rules, fault.line, fault.message);
  return rows.map(({ line, ...bar }, index) => {
    const message = offStep(bar, rules);
    if (message !== null) throw wrong(rules, line, message);
    return { n: index + 1, ...bar };
  });
}

function offStep(bar: Omit<BarRow, "line">, { priceStep, sizeStep }: BarRules): string | null {
  const name = PRICES.find((price) => !isMultipleOf(decimal(bar[price]), decimal(priceStep)));
  if (name !== undefined) return `${name} ${bar[name]} is no multiple of the price step ${priceStep}`;
  if (isMultipleOf(decimal(bar.volume), decimal(sizeStep))) return null;
  return `volume ${bar.volume} is no multiple of the size step ${sizeStep}`;
}

function wrong({ file }: BarRules, line: number | null, what: string): AppError {
  const where = line === null ? file : `${file}, line ${line}`;
  return new AppError("SETTINGS_INVALID", "permanent", `The file of bars cannot be used: ${where}: ${what}.`);
}

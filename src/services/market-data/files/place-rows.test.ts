import { expect, test } from "bun:test";
import type { BarRow } from "#shared/candles/bar-rows.ts";
import { placeRows } from "./place-rows.ts";

const MINUTE_MS = 60_000;
const NOTHING = { source: "bars", span: null, candles: [] } as const;

/** Bars of a minute that open at these minutes. */
function minutes(...all: number[]): BarRow[] {
  return all.map((minute, index) => {
    const openAtMs = minute * MINUTE_MS;
    const prices = { open: "1", high: "2", low: "1", close: "1", volume: "1" };
    return { line: index + 2, openAtMs, closeAtMs: openAtMs + MINUTE_MS, ...prices };
  });
}
const steps = (count: number, step: number): number[] => Array.from({ length: count }, (_, index) => index * step);
const faultsOf = (rows: readonly BarRow[]) => placeRows(rows, NOTHING, Number.MAX_SAFE_INTEGER).faults;

test("a file of a longer time frame is refused as a whole, also where the market rested meanwhile", () => {
  const said = (apart: string) =>
    `all its bars are ${apart} or a multiple of it apart, and those of the series are 1m long: name the file's own timeFrame`;
  expect(faultsOf(minutes(...steps(39, 1_440)))).toEqual([{ line: null, message: said("1d") }]);
  expect(faultsOf(minutes(...steps(39, 60).filter((minute) => minute % 240 !== 0)))).toEqual([
    { line: null, message: said("1h") },
  ]);
});

test("a file whose bars are its own time frame's, or too few to tell, is taken", () => {
  expect(faultsOf(minutes(...steps(39, 1)))).toEqual([]);
  // One pair that is one apart shows it.
  expect(faultsOf(minutes(...steps(38, 1_440), 37 * 1_440 + 1))).toEqual([]);
  expect(faultsOf(minutes(...steps(19, 1_440)))).toEqual([]);
  // No time frame is as long.
  expect(faultsOf(minutes(...steps(39, 2)))).toEqual([]);
  const traded = { ...NOTHING, source: "trades" } as const;
  expect(placeRows(minutes(...steps(39, 5)), traded, Number.MAX_SAFE_INTEGER).faults).toEqual([]);
});

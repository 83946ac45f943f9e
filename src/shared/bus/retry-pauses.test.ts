import { expect, test } from "bun:test";
import { parkedPauseMs, quickPauseMs } from "./retry-pauses.ts";

test("the pauses of a parked event double from a quarter of a second to half a minute, by a quarter more or less", () => {
  const around = (random: number) => [1, 2, 3, 4, 5, 6, 7, 8, 9, 1_000].map((tries) => parkedPauseMs(tries, random));
  const doubled = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000];
  expect(around(0.5)).toEqual(doubled);
  expect(around(0)).toEqual(doubled.map((ms) => ms * 0.75));
  expect(around(1)).toEqual(doubled.map((ms) => ms * 1.25));
});

test("quick tries come within a quarter of a second, by a quarter more or less", () => {
  expect([1, 2, 3].map((tries) => quickPauseMs(tries, 0.5))).toEqual([25, 50, 100]);
  expect([quickPauseMs(1, 0), quickPauseMs(1, 1)]).toEqual([18.75, 31.25]);
});

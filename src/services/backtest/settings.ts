import { z } from "zod";
import { wholeNumber } from "#shared/config/values.ts";

export const settings = z.object({
  R3_BACKTEST_CONCURRENCY: wholeNumber(1, 64)
    .default(1)
    .describe("Runs, or parts of sweeps, at once in this process, each in its own thread"),
  // An hour below the deadline of its task, which would begin it anew.
  R3_BACKTEST_DEADLINE_S: wholeNumber(1, 82_800)
    .default(3_600)
    .describe("How long a run may take from its begin, in seconds; one that takes longer fails"),
  R3_BACKTEST_MAX_BARS: wholeNumber(1, 10_000_000)
    .default(2_000_000)
    .describe("Most candles a run may read; a run that would need more fails"),
  R3_BACKTEST_MAX_SWEEP_RUNS: wholeNumber(1, 100_000)
    .default(2_000)
    .describe("Most combinations of parameters that a sweep may have; one that has more is refused"),
});
export type Settings = z.infer<typeof settings>;

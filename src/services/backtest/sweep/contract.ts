import { z } from "zod";
import { RUN_STATES, requestSchema, runSchema, statisticsSchema } from "#services/backtest/contract.ts";
import { countNumber, epochMs } from "#shared/domain/schemas.ts";
import { faultsOfGrid } from "./grid.ts";

const WORDS = 'must be a list of values, or a range like {"from": 5, "to": 50, "step": 5}';

/** All values that a parameter is given: a list, or a range of numbers with both ends. */
const axisSchema = z
  .union(
    [
      z.array(z.json()).describe("These values"),
      z
        .strictObject({
          from: z.number().describe("The first value"),
          to: z.number().describe("No value is above it"),
          step: z.number().default(1).describe("From one value to the next, above zero; counted exactly, in decimals"),
        })
        .describe("The numbers from, from + step and so on, up to to"),
    ],
    { error: WORDS },
  )
  .describe("A list of values, or a range of numbers");
export type Axis = z.infer<typeof axisSchema>;

/** More parameters than a person can look through together. */
const MOST_AXES = 8;

/** What a sweep is asked with: what a run is, and several values for some of its parameters. */
export const sweepRequestSchema = requestSchema
  .safeExtend({
    grid: z
      .record(z.string().min(1).max(100), axisSchema)
      .refine((grid) => Object.keys(grid).length >= 1 && Object.keys(grid).length <= MOST_AXES, {
        message: `must name 1 to ${MOST_AXES} parameters`,
      })
      .describe(
        "Parameters and the values that each is given: every combination is a run. params has what stays the same in all of them",
      ),
  })
  .superRefine(({ params, grid }, context) => {
    for (const { path, message } of faultsOfGrid(grid, params)) context.addIssue({ code: "custom", path, message });
  })
  .meta({
    examples: [
      {
        strategy: "sma-cross",
        grid: { fast: [5, 10, 15], slow: { from: 20, to: 60, step: 10 } },
        instrumentId: "SPX/USD.paper",
        timeFrame: "1d",
        from: "2001-01-01",
        to: "2010-12-31",
        capital: "5000",
        riskPolicy: { sizing: { method: "percent-of-equity", percent: "50" } },
      },
    ],
  });
export type SweepRequest = z.infer<typeof sweepRequestSchema>;

/** A sweep as it is read. */
export const sweepSchema = z.object({
  id: z.uuid().describe("The sweep's id"),
  state: z.enum(RUN_STATES).describe("Where it is. DONE: each run is done or has failed"),
  request: sweepRequestSchema.describe("What was asked, with its defaults"),
  strategyVersion: z.string().describe("Version of the strategy that all of its runs have"),
  runs: countNumber.describe("How many runs it has"),
  done: countNumber.describe("How many of them are done"),
  failed: countNumber.describe("How many of them have failed, each with its reason"),
  leftOut: countNumber.describe("Combinations of the grid that the strategy refuses; they are no runs"),
  leftOutReason: z.string().nullable().describe("Why the first of those is refused; null: there are none"),
  progress: z.number().describe("Share of the runs that are over, 0 to 1"),
  bars: countNumber.nullable().describe("How many candles each run uses; null until the first worker has looked"),
  barsReason: z.string().nullable().describe("Which candles these are, and why it begins and ends with them"),
  error: z.string().nullable().describe("Why it failed or was canceled, in a sentence"),
  createdAtMs: epochMs.describe("When it was asked for, UTC epoch milliseconds"),
  finishedAtMs: epochMs.nullable().describe("When it was over, UTC epoch milliseconds; null: it is not"),
});
export type Sweep = z.infer<typeof sweepSchema>;

/** One run of a sweep as it is read: figures, no orders. */
export const sweepRunSchema = z.object({
  number: countNumber.positive().describe("Number within the sweep, from 1, in the order of the grid"),
  state: z.enum(["QUEUED", "DONE", "FAILED"]).describe("QUEUED: it is not over yet, or its sweep was canceled before"),
  params: requestSchema.shape.params.describe(
    "Its parameters, defaults included: POST /runs with them lists its orders",
  ),
  statistics: statisticsSchema.nullable().describe("What it came to; null: it is not done"),
  denials: runSchema.shape.denials,
  error: z.string().nullable().describe("Why it failed, in a sentence; null: it has not"),
  finishedAtMs: epochMs.nullable().describe("When it was over, UTC epoch milliseconds; null: it is not"),
});
export type SweepRun = z.infer<typeof sweepRunSchema>;

/** What the runs of a sweep may be sorted by. */
export const FIGURES = [
  "number",
  "netProfit",
  "return",
  "finalEquity",
  "maxDrawdown",
  "sharpe",
  "sortino",
  "trades",
  "winRate",
  "profitFactor",
  "feesInQuote",
  "exposure",
] as const;
export type Figure = (typeof FIGURES)[number];

import type { BacktestStatistics } from "#shared/backtest/statistics.ts";
import type { CandleColumns } from "#shared/candles/columns.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { RiskPolicy } from "#shared/domain/session.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import type { Texts } from "#shared/strategy-threads/definitions.ts";

/** What all runs of a sweep have in common, as a thread is told it once. */
export interface SweepSetup {
  strategy: string;
  /** The file that exports the strategy, and the texts that it is loaded from. */
  file: string;
  texts: Texts;
  instrument: Instrument;
  /** In memory that threads share. */
  columns: CandleColumns;
  firstN: number;
  timeFrame: TimeFrame;
  /** In the quote asset. */
  capital: string;
  policy: RiskPolicy;
}

/** What a thread of a sweep is asked: first what all runs have in common, then one run after the other. */
export type SweepRequest =
  | { kind: "setup"; setup: SweepSetup }
  | { kind: "run"; number: number; params: Record<string, unknown> };

/** What a run of a sweep comes to: figures alone. */
export interface RunFigures {
  statistics: BacktestStatistics;
  /** How often risk said no, by code. */
  denials: Record<string, number>;
}

/** The answer to a run, and how large the thread's heap is by then, garbage included. */
export interface SweepAnswer extends RunFigures {
  heapBytes: number;
}

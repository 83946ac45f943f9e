import type { RunRequest } from "#services/backtest/contract.ts";
import type { CandleColumns } from "#shared/candles/columns.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Texts } from "#shared/strategy-threads/definitions.ts";

/** What the thread is asked, once. Its notes are how many bars are done, its answer an `Outcome`. */
export interface ThreadTask {
  request: RunRequest;
  /** The file that exports the strategy. */
  file: string;
  /** The texts that it is loaded from. */
  texts: Texts;
  instrument: Instrument;
  columns: CandleColumns;
  firstN: number;
}

/** The only strategy here. */
export const INSTANCE_ID = 1;

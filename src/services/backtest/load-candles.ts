import { createSharedColumns, fillColumns, MOST_COLUMNS } from "#shared/candles/column-text.ts";
import type { CandleColumns } from "#shared/candles/columns.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { MarketDataClient } from "#shared/http/clients.ts";
import { type ChosenBars, chooseBars, dayOf } from "./choose-bars.ts";
import type { RunRequest } from "./contract.ts";

/** While one is unpacked here, the next is read there. */
const PAGES_AT_ONCE = 2;

/** The candles of a run. */
export interface LoadedCandles {
  columns: CandleColumns;
  firstN: number;
  /** Which these are, and why, in a sentence. */
  reason: string;
}

/** Candles by their numbers, both ends included. */
export interface CandleRange {
  instrumentId: string;
  timeFrame: TimeFrame;
  firstN: number;
  lastN: number;
}

/**
 * The candles a run asks for, as columns with the number of the first. Their numbers run on without a gap. They are in memory
 * that threads share.
 */
export async function loadCandles(
  marketData: MarketDataClient,
  request: Omit<RunRequest, "params">,
  limits: { maxBars: number; signal: AbortSignal },
): Promise<LoadedCandles> {
  const { instrumentId, timeFrame, history } = request;
  const head = await marketData.ensureSeries({ instrumentId, timeFrame, source: "bars", history });
  const chosen = await chooseBars(marketData, request, head);
  const { firstN, lastN } = chosen;
  if (lastN - firstN + 1 > limits.maxBars) throw refused(`The run would read more than ${limits.maxBars} candles.`);
  if (lastN < firstN) throw refused(await chosen.nothing());
  const columns = await readColumns(marketData, { instrumentId, timeFrame, firstN, lastN }, limits.signal);
  return { columns, firstN, reason: reasonOf(chosen, columns) };
}

/** Reads candles that market-data has counted, in pages. */
export async function readColumns(
  marketData: Pick<MarketDataClient, "columns">,
  { instrumentId, timeFrame, firstN, lastN }: CandleRange,
  signal: AbortSignal,
): Promise<CandleColumns> {
  const columns = createSharedColumns(lastN - firstN + 1);
  const readPage = async (fromN: number): Promise<void> => {
    const toN = Math.min(fromN + MOST_COLUMNS - 1, lastN);
    const page = await marketData.columns({ instrumentId, timeFrame, fromN, toN });
    // Numbers are given without a gap: so many of them are all of them.
    if (page.count !== toN - fromN + 1) {
      throw new AppError(
        "SERVICE_UNAVAILABLE",
        "transient",
        "market-data does not have the candles that it has counted.",
      );
    }
    fillColumns(columns, page, fromN - firstN);
  };
  for (let n = firstN; n <= lastN; n += PAGES_AT_ONCE * MOST_COLUMNS) {
    signal.throwIfAborted();
    const pages = Array.from({ length: PAGES_AT_ONCE }, (_, index) => n + index * MOST_COLUMNS);
    await Promise.all(pages.filter((fromN) => fromN <= lastN).map(readPage));
  }
  return columns;
}

function reasonOf({ firstN, lastN, whyFirst, whyLast }: ChosenBars, { length, openAtMs }: CandleColumns): string {
  const [first, last] = [dayOf(openAtMs[0] ?? 0), dayOf(openAtMs[length - 1] ?? 0)];
  return (
    `${length} ${length === 1 ? "candle" : "candles"}, number ${firstN} (${first}) to ${lastN} (${last}): ` +
    `it begins ${whyFirst} and ends ${whyLast}.`
  );
}

function refused(message: string): AppError {
  return new AppError("INVALID_INPUT", "permanent", message);
}

import { type CandleColumns, columnsOf } from "#shared/candles/columns.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { MarketDataClient } from "#shared/http/clients.ts";
import { type ChosenBars, chooseBars, dayOf } from "./choose-bars.ts";
import type { RunRequest } from "./contract.ts";

const PAGE = 1_000;

/** The candles of a run. */
export interface LoadedCandles {
  columns: CandleColumns;
  firstN: number;
  /** Which these are, and why, in a sentence. */
  reason: string;
}

/** The candles a run asks for, as columns with the number of the first. Their numbers run on without a gap. */
export async function loadCandles(
  marketData: MarketDataClient,
  request: RunRequest,
  limits: { maxBars: number; signal: AbortSignal },
): Promise<LoadedCandles> {
  const { instrumentId, timeFrame, history } = request;
  const head = await marketData.ensureSeries({ instrumentId, timeFrame, source: "bars", history });
  const chosen = await chooseBars(marketData, request, head);
  const { firstN, lastN } = chosen;
  if (lastN - firstN + 1 > limits.maxBars) throw refused(`The run would read more than ${limits.maxBars} candles.`);
  const candles: Candle[] = [];
  for (let n = firstN; n <= lastN; n = firstN + candles.length) {
    limits.signal.throwIfAborted();
    const page = await marketData.candles({ instrumentId, timeFrame, fromN: n, limit: Math.min(PAGE, lastN - n + 1) });
    const inOrder = page.length > 0 && page.every((candle, index) => candle.n === n + index);
    if (!inOrder) {
      throw new AppError(
        "SERVICE_UNAVAILABLE",
        "transient",
        "market-data does not have the candles that it has counted.",
      );
    }
    candles.push(...page);
  }
  const [first, last] = [candles[0], candles.at(-1)];
  if (first === undefined || last === undefined) throw refused(await chosen.nothing());
  return { columns: columnsOf(candles), firstN, reason: reasonOf(chosen, first, last) };
}

function reasonOf({ whyFirst, whyLast }: ChosenBars, first: Candle, last: Candle): string {
  const count = last.n - first.n + 1;
  return (
    `${count} ${count === 1 ? "candle" : "candles"}, number ${first.n} (${dayOf(first.openAtMs)}) to ${last.n} (${dayOf(last.openAtMs)}): ` +
    `it begins ${whyFirst} and ends ${whyLast}.`
  );
}

function refused(message: string): AppError {
  return new AppError("INVALID_INPUT", "permanent", message);
}

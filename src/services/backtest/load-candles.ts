import { type CandleColumns, columnsOf } from "#shared/candles/columns.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { MarketDataClient } from "#shared/http/clients.ts";
import type { RunRequest } from "./contract.ts";

const PAGE = 1_000;

/** The candles a run asks for, as columns with the number of the first. Their numbers run on without a gap. */
export async function loadCandles(
  marketData: MarketDataClient,
  request: RunRequest,
  limits: { maxBars: number; signal: AbortSignal },
): Promise<{ columns: CandleColumns; firstN: number }> {
  const { instrumentId, timeFrame, history, toN = Number.MAX_SAFE_INTEGER } = request;
  const head = await marketData.ensureSeries({ instrumentId, timeFrame, source: "bars", history });
  const firstN = Math.max(request.fromN ?? 1, head.firstN, 1);
  const lastN = Math.min(toN, head.headN);
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
  if (candles.length === 0) throw refused("There are no candles in this range.");
  return { columns: columnsOf(candles), firstN };
}

function refused(message: string): AppError {
  return new AppError("INVALID_INPUT", "permanent", message);
}

import { parse } from "csv-parse/sync";
import { columnsOf, textsOfColumns } from "#shared/candles/columns.fixture.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { normalize } from "#shared/domain/decimal.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { MarketDataClient } from "#shared/http/clients.ts";
import { spx } from "#shared/matching/spx.fixture.ts";

const DAY_MS = 86_400_000;
/** An instrument with more candles than a run may read. */
export const LONG = "LONG/USD.paper";

/** Days of the S&P 500 as candles, and market-data as a test wants it to answer. */
export interface History {
  candles: Candle[];
  marketData: MarketDataClient;
  /** How often market-data still fails before it answers. */
  failures: number;
  /** What reading a page of candles takes. */
  onRead: () => Promise<void>;
}

export async function readHistory(): Promise<History> {
  const text = await Bun.file(
    new URL("../../../node_modules/vega-datasets/data/sp500-2000.csv", import.meta.url),
  ).text();
  const rows: Record<"date" | "open" | "high" | "low" | "close" | "volume", string>[] = parse(text, { columns: true });
  const candles = rows.map((row, index): Candle => {
    const openAtMs = Date.parse(`${row.date}T00:00:00Z`);
    return {
      instrumentId: spx.id,
      timeFrame: "1d",
      source: "bars",
      n: index + 1,
      closed: true,
      openAtMs,
      closeAtMs: openAtMs + DAY_MS,
      open: normalize(row.open),
      high: normalize(row.high),
      low: normalize(row.low),
      close: normalize(row.close),
      volume: row.volume,
      receivedAtMs: 0,
    };
  });
  const history: History = {
    candles,
    marketData: marketDataOf(() => history),
    failures: 0,
    onRead: async () => undefined,
  };
  return history;
}

function marketDataOf(now: () => History): MarketDataClient {
  return {
    instrument: async (id) => (id === spx.id || id === LONG ? { ...spx, id, timeFrames: ["1d"] } : null),
    series: async () => null,
    async ensureSeries(query) {
      const history = now();
      history.failures -= 1;
      if (history.failures >= 0) throw new AppError("SERVICE_UNAVAILABLE", "transient", "It is away.");
      const { candles } = history;
      const headN = query.instrumentId === LONG ? 7_000 : candles.length;
      return { ...query, firstN: 1, headN, headOpenAtMs: candles.at(-1)?.openAtMs ?? null };
    },
    candles: async ({ fromN = 1, fromMs = 0, limit }) =>
      now()
        .candles.filter(({ n, openAtMs }) => n >= fromN && openAtMs >= fromMs)
        .slice(0, limit),
    async columns({ fromN, toN }) {
      await now().onRead();
      return textsOfColumns(columnsOf(now().candles.slice(fromN - 1, toN)));
    },
  };
}

import { columnsOf, textsOfColumns } from "#shared/candles/columns.fixture.ts";
import type { Candle, VenueBar } from "#shared/domain/candle.ts";
import { spx } from "#shared/matching/spx.fixture.ts";

/** The services that one which runs alone asks over REST: an HTTP server that answers for them with what a test lays down. */
export interface Neighbours {
  /** The settings that name them. */
  settings: Record<string, string>;
  /** What data-collect answers for. */
  bars: VenueBar[];
  /** What market-data answers for. */
  candles: Candle[];
  close(): Promise<void>;
}

const SERVICES = ["DATA_COLLECT", "MARKET_DATA", "STRATEGY_EXECUTOR", "ORDER_POSITION_TRACKER", "MONITORING"];
const DAY_MS = 86_400_000;

/** The n-th day of the series, from 2000 on; it opens and closes at this price. */
export function barOf(n: number, price: string): VenueBar {
  const openAtMs = Date.UTC(2000, 0, n);
  return {
    instrumentId: spx.id,
    timeFrame: "1d",
    openAtMs,
    closeAtMs: openAtMs + DAY_MS,
    open: price,
    high: price,
    low: price,
    close: price,
    volume: "1",
    prevOpenAtMs: n === 1 ? null : openAtMs - DAY_MS,
    receivedAtMs: 1,
  };
}

/** The same as a candle of market-data. */
export function candleOf(n: number, price: string): Candle {
  const { prevOpenAtMs: _before, ...bar } = barOf(n, price);
  return { ...bar, source: "bars", n, closed: true };
}

export function serveNeighbours(): Neighbours {
  const bars: VenueBar[] = [];
  const candles: Candle[] = [];
  const head = () => ({
    instrumentId: spx.id,
    timeFrame: "1d",
    source: "bars",
    firstN: candles.length === 0 ? 0 : 1,
    headN: candles.length,
    headOpenAtMs: candles.at(-1)?.openAtMs ?? null,
  });
  const json = (body: unknown) => () => Response.json(body);
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: {
      "/api/strategy-executor/strategies/validate": json({
        kind: "valid",
        strategyVersion: "1.0.0",
        params: { fast: 10, slow: 30 },
      }),
      "/api/order-position-tracker/accounts/:id": (request) =>
        Response.json({ id: request.params.id, venue: spx.venue }),
      "/api/monitoring/services": json({ items: [] }),
      "/api/data-collect/instruments": json({ items: [spx] }),
      "/api/data-collect/feeds": json({}),
      "/api/data-collect/bars": () => Response.json({ items: bars }),
      "/api/market-data/instruments": json({ items: [spx] }),
      "/api/market-data/series": {
        GET: () => Response.json({ items: [head()] }),
        POST: () => Response.json(head()),
      },
      "/api/market-data/candles": (request) => {
        const query = new URL(request.url).searchParams;
        const from = Number(query.get("fromN") ?? "1") - 1;
        return Response.json({ items: candles.slice(from, from + Number(query.get("limit") ?? "1000")) });
      },
      "/api/market-data/candles/columns": (request) => {
        const query = new URL(request.url).searchParams;
        const asked = candles.slice(Number(query.get("fromN")) - 1, Number(query.get("toN")));
        return Response.json(textsOfColumns(columnsOf(asked)));
      },
    },
  });
  return {
    settings: Object.fromEntries(SERVICES.map((name) => [`R3_${name}_URL`, `http://127.0.0.1:${server.port}`])),
    bars,
    candles,
    close: () => server.stop(true),
  };
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { Registry } from "prom-client";
import type { Clock } from "#shared/clock/clock.ts";
import { systemClock } from "#shared/clock/system.ts";
import { createHttpApp } from "#shared/http/http-app.ts";
import { listen as listenOn } from "#shared/http/listen.ts";
import { knownHosts } from "#shared/http/neighbours.ts";
import type { FailpointContext } from "#shared/service/failpoints.ts";
import type { Service } from "#shared/service/service.ts";
import { createPaperExchange } from "./service.ts";
import { paperExchangeSettings } from "./settings.ts";

const HEADER = "date,open,high,low,close,adjclose,volume";

/** Made-up bars from 2000-01-01 on, each a day, with prices that rise by one a bar. */
export function csvOf(bars: number): string {
  const rows = Array.from({ length: bars }, (_, index) => {
    const date = new Date(Date.UTC(2000, 0, 1 + index)).toISOString().slice(0, 10);
    const open = 100 + index;
    return `${date},${open}.000000,${open + 3}.500000,${open - 2}.250000,${open + 1}.125000,0,1000003`;
  });
  return [HEADER, ...rows].join("\n");
}

export const KEYS = { apiKey: "paper-key", secret: "paper-secret" };

/** A market's settings as the environment gives them. */
export function marketSettings(bars: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: "demo",
    symbol: "SPX/USD",
    bars,
    timeFrame: "1d",
    rules: { priceStep: "0.000001", sizeStep: "0.0001", minSize: "0.0001", minNotional: "10", feeDecimals: 8 },
    fees: { maker: "0.0005", taker: "0.001" },
    pace: "lockstep",
    account: { ...KEYS, balances: { USD: "10000" } },
    ...more,
  };
}

/** A ticker market's settings. */
export function tickerSettings(): Record<string, unknown> {
  const { bars: _bars, timeFrame: _timeFrame, ...rest } = marketSettings("");
  return { ...rest, id: "ticker", pace: "manual" };
}

/** A synthetic market's settings. */
export function syntheticSettings(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: "made-up",
    symbol: "BTC/USDT",
    pace: "synthetic",
    seed: 7,
    startPrice: "30000",
    tradeEveryMs: 200,
    historyBars: 50,
    rules: { priceStep: "0.01", sizeStep: "0.00001", minSize: "0.00001", minNotional: "5" },
    fees: { maker: "0.0005", taker: "0.001" },
    account: { ...KEYS, balances: { USDT: "100000" } },
    ...more,
  };
}

/** A running venue on a port of its own, and its folder. */
export interface TestVenue {
  readonly folder: string;
  readonly bars: string;
  url(marketId?: string): string;
  /** Stops and starts it again over the same files. `meanwhile` happens while it is away. */
  restart(meanwhile?: () => Promise<void> | void): Promise<void>;
  stop(): Promise<void>;
}

export interface TestVenueOptions {
  markets: (bars: string) => Record<string, unknown>[];
  bars?: number;
  control?: boolean;
  clock?: Clock;
  onCommitted?: (context: FailpointContext) => void;
}

async function listen(service: Service): Promise<{ port: number; stop: () => Promise<void> }> {
  await service.start(new AbortController().signal);
  const app = createHttpApp({
    services: [{ name: "paper-exchange", description: "Simulated markets", ...service }],
    account: null,
    version: "1.2.3",
    pid: 1,
    log: pino({ level: "silent" }),
    registry: new Registry(),
    maxBodyBytes: 1_048_576,
    hosts: knownHosts({ address: "127.0.0.1", urls: [], more: [] }),
    checkAnswers: true,
  });
  const server = listenOn(app, "127.0.0.1", 0);
  return {
    port: server.port,
    async stop() {
      await server.stop(0);
      await service.stop();
    },
  };
}

export async function startVenue(options: TestVenueOptions): Promise<TestVenue> {
  const folder = await mkdtemp(join(tmpdir(), "paper-exchange-"));
  const bars = join(folder, "bars.csv");
  await Bun.write(bars, csvOf(options.bars ?? 60));
  const settings = paperExchangeSettings.parse({
    R3_PAPER_EXCHANGE_MARKETS: JSON.stringify(options.markets(bars)),
    R3_PAPER_EXCHANGE_FOLDER: folder,
    R3_PAPER_EXCHANGE_CONTROL: String(options.control ?? true),
  });
  const create = () =>
    createPaperExchange(
      {
        clock: options.clock ?? systemClock,
        log: pino({ level: "silent" }),
        failpoints: { hit: (_point, context) => options.onCommitted?.(context) },
      },
      settings,
    );
  let running = await listen(create());
  return {
    folder,
    bars,
    url: (marketId = "demo") => `http://127.0.0.1:${running.port}/api/paper-exchange/markets/${marketId}`,
    async restart(meanwhile) {
      await running.stop();
      await meanwhile?.();
      running = await listen(create());
    },
    async stop() {
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

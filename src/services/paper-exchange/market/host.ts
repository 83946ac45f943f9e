import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Faults } from "#services/paper-exchange/faults/faults.ts";
import { type ReplayBar, readBars } from "#services/paper-exchange/prices/bars.ts";
import { madeUpHistory } from "#services/paper-exchange/prices/made-up-history.ts";
import { regimeAt, type SyntheticRules } from "#services/paper-exchange/prices/synthetic-price.ts";
import { createWebSocketApi, type WebSocketApi } from "#services/paper-exchange/protocol/ws-api.ts";
import type { MarketSettings, ReplaySettings, SyntheticSettings } from "#services/paper-exchange/settings.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { decimal, normalize, plain } from "#shared/domain/decimal.ts";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import type { Deps } from "#shared/service/service.ts";
import { instrumentOf } from "./instrument.ts";
import { Market } from "./market.ts";
import type { Replay, Synthetic } from "./market-options.ts";
import { createMarketStreams, type MarketStreams } from "./market-streams.ts";
import { openStore } from "./store.ts";

/** A market with those who follow it. */
export interface HostedMarket {
  settings: MarketSettings;
  market: Market;
  streams: MarketStreams;
  api: WebSocketApi;
  faults: Faults;
}

/** Opens a market where its file left it. Throws SETTINGS_INVALID for bars or a file that do not fit. */
export async function openMarket(
  settings: MarketSettings,
  folder: string,
  deps: Pick<Deps, "clock" | "failpoints">,
): Promise<HostedMarket> {
  const read = settings.kind === "replay" ? await readReplay(settings) : null;
  await mkdir(folder, { recursive: true });
  const store = openStore(join(folder, `${settings.id}.sqlite`), identityOf(settings, read?.bars ?? null));
  try {
    const market = new Market({
      id: settings.id,
      instrument: instrumentOf(settings),
      account: settings.account,
      replay: read,
      firstPrice: settings.kind === "ticker" ? settings.firstPrice : "next",
      synthetic: settings.kind === "synthetic" ? syntheticOf(settings, deps.clock) : null,
      latencyMs: settings.kind === "synthetic" ? settings.latencyMs : 0,
      store,
      clock: deps.clock,
      failpoints: deps.failpoints,
    });
    const streams = createMarketStreams(market, () => faults);
    const api = createWebSocketApi(market, () => faults);
    const faults: Faults = new Faults({
      market,
      clock: deps.clock,
      disconnect(kind) {
        if (kind !== "user") streams.disconnect();
        if (kind !== "market") api.disconnect();
      },
    });
    faults.set(settings.misbehaves);
    return { settings, market, streams, api, faults };
  } catch (error) {
    store.close();
    throw error;
  }
}

export function closeMarket({ market, streams, api }: HostedMarket): void {
  streams.stop();
  api.stop();
  market.close();
}

/** The bars of a replay. Throws SETTINGS_INVALID where its file is not there or does not fit. */
export async function readReplay(settings: ReplaySettings): Promise<Replay> {
  const { timeFrame, rules, limit, pace } = settings;
  const csv = await readText(settings.bars);
  const bars = readBars(csv, {
    timeFrame,
    priceStep: rules.priceStep,
    sizeStep: rules.sizeStep,
    limit,
    file: settings.bars,
  });
  return { bars, timeFrame, lockstep: pace === "lockstep" };
}

async function readText(path: string): Promise<string> {
  try {
    return await Bun.file(path).text();
  } catch (error) {
    const sentence = `The file of bars cannot be read: ${messageOf(error)}.`;
    throw new AppError("SETTINGS_INVALID", "permanent", sentence, { cause: error, details: { path } });
  }
}

function syntheticOf(settings: SyntheticSettings, clock: Clock): Synthetic {
  const rules = syntheticRules(settings);
  return {
    startPrice: rules.startPrice,
    history: () => madeUpHistory(rules, settings.historyBars, clock.nowMs()),
    regimeAt: (atMs) => regimeAt(rules, atMs).regime,
    halfSpread: plain(decimal(rules.priceStep).times(settings.spreadSteps)),
  };
}

/** What the prices of a synthetic market are drawn by. */
export function syntheticRules(settings: SyntheticSettings): SyntheticRules {
  const { seed, startPrice, regimeMs, tradeEveryMs, rules } = settings;
  const { priceStep, sizeStep } = rules;
  return { seed, startPrice: normalize(startPrice), regimeMs, tradeEveryMs, priceStep, sizeStep };
}

/** All that a run's result depends on. A file of another identity is not gone on with; pace and keys may change. */
function identityOf(settings: MarketSettings, bars: readonly ReplayBar[] | null): string {
  const { kind, symbol, rules, fees, account } = settings;
  const digest = bars === null ? null : new Bun.CryptoHasher("sha256").update(JSON.stringify(bars)).digest("hex");
  const { seed, startPrice } = settings.kind === "synthetic" ? settings : {};
  return JSON.stringify({ kind, symbol, rules, fees, balances: account.balances, bars: digest, seed, startPrice });
}

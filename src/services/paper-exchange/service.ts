import { AppError } from "#shared/errors/app-error.ts";
import type { ProcessPorts, Service } from "#shared/service/service.ts";
import { closeMarket, type HostedMarket, openMarket, syntheticRules } from "./market/host.ts";
import { pace } from "./market/pacer.ts";
import { driveSynthetic } from "./prices/synthetic-driver.ts";
import { createRoutes } from "./routes.ts";
import type { MarketSettings, PaperExchangeSettings } from "./settings.ts";

/** Opens every market where its file left it, drives those that a timer drives, and serves them. */
export function createPaperExchange(deps: ProcessPorts, settings: PaperExchangeSettings): Service {
  const log = deps.log;
  const markets = new Map<string, HostedMarket>();
  const ending = new AbortController();
  let running: Promise<void>[] = [];
  let ready = false;

  function drive(hosted: HostedMarket): Promise<void> | null {
    const run = { clock: deps.clock, log, signal: ending.signal };
    if (hosted.settings.kind === "synthetic") {
      return driveSynthetic(hosted.market, syntheticRules(hosted.settings), run);
    }
    const speed = speedOf(hosted.settings);
    if (speed === null) return null;
    return pace(hosted.market, speed, run);
  }

  return {
    async start(signal) {
      for (const one of settings.R3_PAPER_EXCHANGE_MARKETS) {
        if (signal.aborted) throw new AppError("DEADLINE_PASSED", "transient", "The start was called off.");
        const hosted = await openMarket(one, settings.R3_PAPER_EXCHANGE_FOLDER, deps);
        markets.set(one.id, hosted);
        const { step, bar } = hosted.market.cursor;
        log.info({ marketId: one.id, kind: one.kind, step, bar }, "market opened");
      }
      ready = true;
      running = [...markets.values()].map(drive).filter((run) => run !== null);
    },
    async stop() {
      ending.abort();
      await Promise.all(running);
      ready = false;
      for (const hosted of markets.values()) closeMarket(hosted);
      markets.clear();
    },
    notReady: () => (ready ? [...markets.values()].flatMap(waitsFor) : ["its markets"]),
    routes: createRoutes({ markets, ready: () => ready, control: settings.R3_PAPER_EXCHANGE_CONTROL, log }),
  };
}

function waitsFor({ market }: HostedMarket): string[] {
  return market.canCommit() ? [] : [`the file of market ${market.id}`];
}

/** Null: no timer drives this market. */
function speedOf(settings: MarketSettings): number | null {
  if (settings.kind !== "replay" || settings.pace === "lockstep") return null;
  return settings.pace === "real-time" ? 1 : settings.pace.speed;
}

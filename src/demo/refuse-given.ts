import { Elysia } from "elysia";
import { paperExchange } from "#services/paper-exchange/index.ts";
import { readReplay } from "#services/paper-exchange/market/host.ts";
import { systemClock } from "#shared/clock/system.ts";
import type { Settings } from "#shared/config/load.ts";
import { createBinanceExchanges } from "#shared/exchange/binance-exchanges.ts";
import { listen } from "#shared/http/listen.ts";
import { foldersOf, refuseMissing } from "#shared/strategy-threads/catalogue.ts";
import { createLogger } from "#shared/telemetry/logger.ts";
import { DEMO_VENUE, refuseTaken } from "./demo-settings.ts";

/**
 * Refuses settings that are each right and with which no service would start, by the words of who would refuse them then:
 * before anything is started or removed.
 *
 * @throws AppError SETTINGS_INVALID.
 */
export async function refuseGiven(settings: Settings): Promise<void> {
  const { general, given } = settings;
  refuseTaken(given, "R3_VENUES", [DEMO_VENUE]);
  const demo = { id: DEMO_VENUE, connector: "binance", marketClock: "replay", listLagMs: 0 } as const;
  const venues = [...general.R3_VENUES, demo];
  for (const folder of foldersOf(general.R3_STRATEGY_FOLDERS)) refuseMissing(folder);
  const log = createLogger({ level: "silent", format: "json", isTerminal: false });
  await createBinanceExchanges({ venues, accounts: general.R3_ACCOUNTS, clock: systemClock, log }).close();
  for (const market of settings.of(paperExchange).R3_PAPER_EXCHANGE_MARKETS)
    if (market.kind === "replay") await readReplay(market);
  await listen(new Elysia(), general.R3_HTTP_HOST, 0).stop(0);
}

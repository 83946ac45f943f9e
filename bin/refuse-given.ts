import { Elysia } from "elysia";
import { systemClock } from "#shared/clock/system.ts";
import type { GeneralSettings } from "#shared/config/general.ts";
import { createCcxtExchanges } from "#shared/exchange/ccxt.ts";
import { listen } from "#shared/http/listen.ts";
import { createLogger } from "#shared/telemetry/logger.ts";
import { DEMO_VENUE, refuseTaken } from "./demo-settings.ts";

/**
 * Refuses settings that are each right and with which no service would start, by the words of who would refuse them then:
 * before anything is started or removed.
 *
 * @throws AppError SETTINGS_INVALID.
 */
export async function refuseGiven(general: GeneralSettings, given: Readonly<Record<string, string>>): Promise<void> {
  refuseTaken(given, "R3_VENUES", [DEMO_VENUE]);
  const demo = { id: DEMO_VENUE, connector: "binance", marketClock: "replay", listLagMs: 0 } as const;
  const venues = [...general.R3_VENUES, demo];
  const log = createLogger({ level: "silent", format: "json", isTerminal: false });
  await createCcxtExchanges({ venues, accounts: general.R3_ACCOUNTS, clock: systemClock, log }).close();
  await listen(new Elysia(), general.R3_HTTP_HOST, 0).stop(0);
}

import type { Logger } from "pino";
import { alerts } from "#services/data-collect/alerts.ts";
import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { Deps } from "#shared/service/service.ts";
import type { OnRefused } from "./usable-market.ts";

/** Tells a person of bars that are left out, of each once: in one alert a series that tells of the newest. */
export function createRefusedTeller(deps: Pick<Deps, "bus" | "clock" | "db">, log: Logger): OnRefused {
  const told = new Map<string, number>();
  return ({ instrumentId, timeFrame, openAtMs }, reason) => {
    const scope = `series:${instrumentId}/${timeFrame}`;
    if ((told.get(scope) ?? -1) >= openAtMs) return;
    told.set(scope, openAtMs);
    log.error({ instrumentId, timeFrame, openAtMs, reason }, "the venue's bar cannot be used, it is left out");
    const text = `The venue's bar of ${instrumentId} ${timeFrame} that opened at ${new Date(openAtMs).toISOString()} cannot be used (${reason}): it is left out, and the series goes on.`;
    const alert = { scope, kind: alerts.BAR_REFUSED, text, data: { instrumentId, timeFrame, openAtMs } };
    deps.db
      .transaction(async (tx) => void (await raiseAlert(tx, deps, alert)))
      .catch((error: unknown) => {
        // The list tells of it again.
        if (told.get(scope) === openAtMs) told.delete(scope);
        log.warn({ scope, reason: messageOf(error) }, "alert not raised");
      });
  };
}

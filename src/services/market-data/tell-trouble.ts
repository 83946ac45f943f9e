import type { Logger } from "pino";
import { raiseAlert } from "#shared/alerts/alerts.ts";
import { candleOpenAtMs } from "#shared/domain/time-frame.ts";
import type { Deps } from "#shared/service/service.ts";
import type { TradeKeeperOptions } from "./keep-trades.ts";

/** Tells a person what is wrong with an instrument's trades, in one alert a series or instrument that tells of the newest. Whatever fails, the series goes on. */
export function createTeller(deps: Pick<Deps, "bus" | "clock" | "db">, log: Logger): TradeKeeperOptions["tell"] {
  let late = 0;
  return async (code, { instrumentId, timeFrame }, trade) => {
    const openAtMs = candleOpenAtMs(timeFrame, trade.atMs);
    const { tradeId, atMs, receivedAtMs } = trade;
    if (code === "LATE_TRADES") late += 1;
    log.warn({ instrumentId, timeFrame, tradeId, atMs, receivedAtMs, late }, `${code}: the series goes on`);
    const text =
      code === "LATE_TRADES"
        ? `A trade of ${instrumentId} came after the clock had closed its ${timeFrame} candle of ${new Date(openAtMs).toISOString()}: it is in none.`
        : `The trade ids of ${instrumentId} have begun anew at its venue, as after a reset of a test network. The candle they meet is made of the venue's bars.`;
    const scope = code === "LATE_TRADES" ? `series:${instrumentId}/${timeFrame}` : `instrument:${instrumentId}`;
    await deps.db.transaction(async (tx) => {
      await raiseAlert(tx, deps, { scope, code, text, data: { instrumentId, timeFrame, tradeId, atMs } });
    });
  };
}

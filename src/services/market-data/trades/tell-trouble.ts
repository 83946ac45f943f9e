import type { Logger } from "pino";
import { alerts } from "#services/market-data/alerts.ts";
import type { Series } from "#services/market-data/series/series.ts";
import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { VenueTrade } from "#shared/domain/candle.ts";
import { candleOpenAtMs } from "#shared/domain/time-frame.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { Deps } from "#shared/service/service.ts";
import type { TradeKeeperOptions, TradeTrouble } from "./keep-trades.ts";

type Trade = Pick<VenueTrade, "tradeId" | "atMs" | "receivedAtMs">;

/** Late trades of a series: how many since the process began, and of how many a person was told. */
interface Late {
  count: number;
  told: number;
  newest: Trade;
  telling: Promise<void> | null;
}

/**
 * Tells a person what is wrong with an instrument's trades. One alert a series or instrument, which names the newest case.
 */
export interface Teller {
  /** Late trades, which may be many, are counted, and told of apart from the path of the trades. */
  tell: TradeKeeperOptions["tell"];
  /** Tells what is not told yet. */
  close(): Promise<void>;
}

/** The alert of late trades is renewed this often at most. */
const LATE_EVERY_MS = 1_000;

export function createTeller(deps: Pick<Deps, "bus" | "clock" | "db">, log: Logger): Teller {
  const late = new Map<string, Late>();
  const closing = new AbortController();

  async function raise(code: TradeTrouble, series: Series, { trade, count }: { trade: Trade; count: number }) {
    const { instrumentId, timeFrame } = series;
    const { tradeId, atMs, receivedAtMs } = trade;
    log.warn({ instrumentId, timeFrame, tradeId, atMs, receivedAtMs, count }, `${code}: the series goes on`);
    const scope =
      code === "TRADE_IDS_BEGAN_ANEW" ? `instrument:${instrumentId}` : `series:${instrumentId}/${timeFrame}`;
    const data = { instrumentId, timeFrame, tradeId, atMs, count };
    const text = textOf(code, series, { trade, count });
    await deps.db.transaction(
      async (tx) => void (await raiseAlert(tx, deps, { scope, kind: alerts[code], text, data })),
    );
  }

  async function tellLate(series: Series, row: Late): Promise<void> {
    while (row.told < row.count) {
      const { count, newest: trade } = row;
      try {
        await raise("LATE_TRADES", series, { trade, count });
        row.told = count;
      } catch (error) {
        log.warn({ instrumentId: series.instrumentId, reason: messageOf(error) }, "late trades not told of");
        if (closing.signal.aborted) return;
      }
      await deps.clock.sleep(LATE_EVERY_MS, closing.signal);
    }
    row.telling = null;
  }

  return {
    async tell(code, series, trade) {
      if (code !== "LATE_TRADES") {
        await raise(code, series, { trade, count: 1 });
        return;
      }
      const key = `${series.instrumentId} ${series.timeFrame}`;
      const row = late.get(key) ?? { count: 0, told: 0, newest: trade, telling: null };
      late.set(key, row);
      row.count += 1;
      row.newest = trade;
      row.telling ??= tellLate(series, row);
    },
    async close() {
      closing.abort();
      await Promise.all([...late.values()].map(async ({ telling }) => await telling));
    },
  };
}

function textOf(code: TradeTrouble, series: Series, { trade, count }: { trade: Trade; count: number }): string {
  const { instrumentId, timeFrame } = series;
  const opened = new Date(candleOpenAtMs(timeFrame, trade.atMs)).toISOString();
  switch (code) {
    case "LATE_TRADES":
      return `Trades of ${instrumentId} came after their ${timeFrame} candle had been closed: ${count} so far, the newest of the candle of ${opened}. They are in none.`;
    case "TRADE_IDS_BEGAN_ANEW":
      return `The trade ids of ${instrumentId} have begun anew at its venue, as after a reset of a test network. The candle they meet is made of the venue's bars.`;
    case "CANDLE_LEFT_OUT":
      return `The venue does not list the ${timeFrame} bar of ${instrumentId} that opened at ${opened}, though it had trades. Its first ones were not seen here: the series goes on without it.`;
  }
}

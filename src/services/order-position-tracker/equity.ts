import type { Candle } from "#shared/domain/candle.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { Deps } from "#shared/service/service.ts";

const PAGE = 500;

type Series = Pick<Candle, "instrumentId" | "timeFrame">;

/**
 * The equity curve: one point a closed candle and session, cash + position × close, exact. The cursor moves by one candle in
 * the statement that writes the point, so that of any number of replicas one writes it, once and in order.
 */
export interface EquityCurve {
  /**
   * Candles as they come: forming ones and repeated ones change nothing, holes are closed by market-data. What fails is left
   * to the next candle of its series, or to market-data's repeating of the newest one.
   */
  follow(candles: readonly Candle[]): Promise<void>;
}

/** Writes the points of all sessions of a series that stand just before this candle. */
async function writePoints({ sql }: Deps["db"], candle: Candle): Promise<void> {
  const { instrumentId, timeFrame, n, closeAtMs, close } = candle;
  await sql`
    with moved as (
      update order_position_tracker.equity_cursors set candle_n = ${n}, candle_close_at_ms = ${closeAtMs}
      where instrument_id = ${instrumentId} and time_frame = ${timeFrame} and active and candle_n = ${n - 1}
      returning session_id, instrument_id, quote)
    insert into order_position_tracker.equity_points (session_id, candle_n, close_at_ms, equity, cash, position, close)
    select m.session_id, ${n}, ${closeAtMs}, cash.amount + held.size * ${close}::numeric, cash.amount, held.size, ${close}::numeric
    from moved m
    cross join lateral (select coalesce(sum(amount), 0) as amount from order_position_tracker.balances
      where session_id = m.session_id and asset = m.quote) cash
    cross join lateral (select coalesce(sum(size), 0) as size from order_position_tracker.positions
      where session_id = m.session_id and instrument_id = m.instrument_id) held
    on conflict do nothing`;
}

/** The number of the candle that the slowest session of a series stands at. Null: no session follows it. */
async function slowest({ sql }: Deps["db"], series: Series): Promise<number | null> {
  const rows = await sql<{ n: number | null }[]>`
    select min(candle_n) as n from order_position_tracker.equity_cursors
    where instrument_id = ${series.instrumentId} and time_frame = ${series.timeFrame} and active`;
  return rows[0]?.n ?? null;
}

export function createEquityCurve({ db, clients, log }: Deps): EquityCurve {
  /** Up to which candle every session of a series was brought; only to leave repeated heads alone. */
  const done = new Map<string, number>();

  const catchUp = async (series: Series & { timeFrame: TimeFrame }, from: number, to: number): Promise<void> => {
    for (let fromN = from; fromN <= to; ) {
      const candles = await clients.marketData.candles({ ...series, fromN, limit: PAGE });
      if (candles.length === 0) return;
      for (const candle of candles) await writePoints(db, candle);
      fromN = (candles.at(-1)?.n ?? to) + 1;
    }
  };

  const take = async (candle: Candle): Promise<void> => {
    const { instrumentId, timeFrame, n } = candle;
    const key = `${instrumentId} ${timeFrame}`;
    const before = done.get(key);
    if (before !== n - 1) {
      const at = await slowest(db, candle);
      if (at === null || at >= n) return;
      if (at < n - 1) await catchUp({ instrumentId, timeFrame }, at + 1, n - 1);
    }
    await writePoints(db, candle);
    done.set(key, n);
  };

  return {
    async follow(candles) {
      for (const candle of candles.filter(({ closed }) => closed)) {
        try {
          await take(candle);
        } catch (error) {
          // Not given back to the bus: sessions of this unit would wait behind it to be stopped. The repeated head shows the hole again.
          const { instrumentId, timeFrame, n } = candle;
          log.warn({ instrumentId, timeFrame, n, reason: messageOf(error) }, "equity not written yet");
        }
      }
    },
  };
}

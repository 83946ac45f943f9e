import { fillsOfOrder } from "#services/order-position-tracker/orders/resolve-order.ts";
import type { Parts } from "#services/order-position-tracker/parts.ts";
import { hasCode, messageOf } from "#shared/errors/app-error.ts";
import type { Fence } from "./reconcile.ts";
import { failsByContent } from "./unbooked.ts";

/** So many orders are asked for at once; the next time those behind them. */
const ORDERS_AT_ONCE = 20;
const LONGEST_PAUSE_MS = 60_000;

/** Tries what could not be booked, as the venue has it now; what still can not be stays as it is. */
export interface BookAgain {
  /** Does nothing before a pause is over that grows while nothing comes of it. */
  run(): Promise<void>;
}

interface WaitingRow {
  instrument_id: string;
  venue_order_id: string;
  client_order_id: string;
  trade_ids: string[];
}

export function createBookAgain(parts: Parts, accountId: string, fence: Fence): BookAgain {
  const { deps, settings, instruments, recorder } = parts;
  const shortestMs = settings.R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS;
  let pauseMs = shortestMs;
  let nextAtMs = 0;
  /** The order that was asked for last. */
  let after = { instrumentId: "", venueOrderId: "" };

  const bookOrder = async (row: WaitingRow): Promise<number> => {
    const { venue_order_id: venueOrderId, client_order_id: clientOrderId, trade_ids: tradeIds } = row;
    const instrument = await instruments.byId(row.instrument_id);
    const account = deps.exchanges.account(accountId);
    const fills = await fillsOfOrder(account, { instrument, venueOrderId, clientOrderId });
    let booked = 0;
    for (const fill of fills.filter(({ tradeId }) => tradeIds.includes(tradeId))) {
      const word = await recorder.hear(accountId, { fills: [fill] });
      try {
        await deps.db.transaction(async (tx) => {
          await fence(tx);
          booked += (await recorder.record(tx, word, { listed: true })).fills.length;
        });
      } catch (error) {
        if (hasCode(error, "FENCED") || !failsByContent(error)) throw error;
        deps.log.warn({ accountId, tradeId: fill.tradeId, reason: messageOf(error) }, "execution still not booked");
      }
    }
    return booked;
  };

  return {
    async run() {
      if (deps.clock.nowMs() < nextAtMs) return;
      const rows = await deps.db.sql<WaitingRow[]>`
        select u.instrument_id, u.venue_order_id, o.client_order_id, array_agg(u.trade_id) as trade_ids
        from order_position_tracker.unbooked u
        join order_position_tracker.orders o on o.account_id = u.account_id and o.instrument_id = u.instrument_id
          and o.venue_order_id = u.venue_order_id
        where u.account_id = ${accountId} and u.session_id is not null and u.discard_reason is null
          and (u.instrument_id, u.venue_order_id) > (${after.instrumentId}, ${after.venueOrderId})
        group by 1, 2, 3 order by 1, 2 limit ${ORDERS_AT_ONCE}`;
      let booked = 0;
      for (const row of rows) booked += await bookOrder(row);
      const last = rows.length < ORDERS_AT_ONCE ? undefined : rows.at(-1);
      after = { instrumentId: last?.instrument_id ?? "", venueOrderId: last?.venue_order_id ?? "" };
      pauseMs = rows.length === 0 || booked > 0 ? shortestMs : Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
      nextAtMs = rows.length === 0 ? 0 : deps.clock.nowMs() + pauseMs;
    },
  };
}

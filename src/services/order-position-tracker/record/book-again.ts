import type { Fence } from "#services/order-position-tracker/account/reconcile.ts";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { fillsOfOrder } from "#services/order-position-tracker/orders/trace-order.ts";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { hasCode, messageOf } from "#shared/errors/app-error.ts";
import { failsByContent } from "./unbooked.ts";
import { type WaitingOrder, waitingOrders } from "./unbooked-store.ts";

/** So many orders are asked for at once; the next time those behind them. */
const ORDERS_AT_ONCE = 20;
const LONGEST_PAUSE_MS = 60_000;

/** Tries what could not be booked, as the venue has it now; what still can not be stays as it is. */
export interface BookAgain {
  /** Does nothing before a pause is over that grows while nothing comes of it. */
  run(): Promise<void>;
}

export function createBookAgain(context: TrackerContext, accountId: string, fence: Fence): BookAgain {
  const { deps, settings, instruments, recorder } = context;
  const backoff: Backoff = {
    firstMs: settings.R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS,
    longestMs: LONGEST_PAUSE_MS,
  };
  /** Tries in a row of which nothing came. */
  let fruitless = 0;
  let nextAtMs = 0;
  /** The order that was asked for last. */
  let after = { instrumentId: "", venueOrderId: "" };

  /** Null: its row cannot be read, and executions of other instruments do not wait for it. */
  const readable = async (instrumentId: string): Promise<Instrument | null> => {
    try {
      return await instruments.byId(instrumentId);
    } catch (error) {
      if (!failsByContent(error)) throw error;
      deps.log.warn({ accountId, instrumentId, reason: messageOf(error) }, "executions still not booked");
      return null;
    }
  };

  const bookOrder = async (waiting: WaitingOrder): Promise<number> => {
    const { venueOrderId, clientOrderId, tradeIds } = waiting;
    const instrument = await readable(waiting.instrumentId);
    if (instrument === null) return 0;
    const account = deps.exchanges.account(accountId);
    const fills = await fillsOfOrder(account, { instrument, venueOrderId, clientOrderId });
    let booked = 0;
    for (const fill of fills.filter(({ tradeId }) => tradeIds.includes(tradeId))) {
      const report = await recorder.prepare(accountId, { fills: [fill] });
      try {
        await deps.db.transaction(async (tx) => {
          await fence(tx);
          booked += (await recorder.record(tx, report, { listed: true })).fills.length;
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
      const rows = await waitingOrders(deps.db, accountId, { after, limit: ORDERS_AT_ONCE });
      let booked = 0;
      for (const row of rows) booked += await bookOrder(row);
      const last = rows.length < ORDERS_AT_ONCE ? undefined : rows.at(-1);
      after = { instrumentId: last?.instrumentId ?? "", venueOrderId: last?.venueOrderId ?? "" };
      fruitless = rows.length === 0 || booked > 0 ? 0 : fruitless + 1;
      nextAtMs = rows.length === 0 ? 0 : deps.clock.nowMs() + backoffMs(backoff, fruitless + 1);
    },
  };
}

import type { TradingState } from "#shared/domain/account.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Order, OrderRequest } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import type { LaneTx } from "#shared/queue/queue.ts";
import type { BookGap } from "#shared/risk/book-rule.ts";
import type { Parts } from "./parts.ts";

/** What of a session says whether its orders may be sent. Undefined: it is gone. */
export type SendingSession = (Pick<Session, "state" | "stopPolicy"> & { gap: BookGap | null }) | undefined;

/** What says whether an order is sent, first or again, as it is when its intent is committed. */
export interface Standing {
  session: SendingSession;
  account: TradingState | null;
  /** Null: there is none yet. */
  order: Order | null;
  /** Until when other processes were told that the venue takes no orders; null: they were not. */
  toldMs: number | null;
}

interface StandingRow {
  session_state: Session["state"] | null;
  stop_policy: Session["stopPolicy"];
  gap: BookGap | null;
  trading_state: TradingState | null;
  known: Order | null;
  ban_until_ms: number | null;
  instrument: Instrument | null;
}

/**
 * Locks the states that let an order be sent or not, and then the order, until the transaction ends: a halt waits for an intent
 * that is being committed, and none is committed after it. The instrument is read anew too.
 */
export async function lockIntent(
  { sql }: LaneTx,
  { deps: { exchanges, clock }, instruments }: Parts,
  { id, sessionId, accountId, instrumentId }: Pick<OrderRequest, "id" | "sessionId" | "accountId" | "instrumentId">,
): Promise<Standing> {
  const addresses = exchanges.orderBanAddresses(accountId);
  const [row] = await sql<StandingRow[]>`
    select * from order_position_tracker.lock_intent(${sessionId}, ${accountId}, ${id}, ${instrumentId}, ${addresses},
      ${clock.nowMs()})`;
  if (row === undefined) throw new RangeError("A function gives one row.");
  if (row.instrument !== null) instruments.learn(row.instrument);
  const { session_state: state, stop_policy: stopPolicy, gap } = row;
  return {
    session: state === null ? undefined : { state, stopPolicy, gap },
    account: row.trading_state,
    order: row.known,
    toldMs: row.ban_until_ms,
  };
}

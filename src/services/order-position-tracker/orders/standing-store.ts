import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import type { Tx } from "#shared/db/db.ts";
import type { TradingState } from "#shared/domain/account.ts";
import type { Order, OrderRequest } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import { PLACE_ORDER } from "#shared/messages/tasks.ts";
import type { BookGap } from "#shared/risk/book-rule.ts";
import type { RiskState } from "#shared/risk/risk-state-rule.ts";

/** What of a session says whether its orders may be sent. Undefined: it is gone. */
export type SendingSession = (Pick<Session, "state" | "stopPolicy"> & { gap: BookGap | null }) | undefined;

/** What says whether an order is sent, first or again, as it is when its intent is committed. */
export interface Standing {
  session: SendingSession;
  account: TradingState | null;
  /** What risk holds back; null: nothing. */
  risk: RiskState | null;
  /** Null: there is none yet. */
  order: Order | null;
  /** Until when other processes were told that the venue takes no orders; null: they were not. */
  toldMs: number | null;
}

/** How the order of a task stands, read before it was known which one it is. */
export interface NextStanding {
  /** Null: the task names none. */
  orderId: string | null;
  standing: Standing;
}

interface StandingRow {
  session_state: Session["state"] | null;
  stop_policy: Session["stopPolicy"];
  gap: BookGap | null;
  trading_state: TradingState | null;
  risk: RiskState | null;
  known: Order | null;
  ban_until_ms: number | null;
  /** As it is stored. */
  instrument: unknown;
}

/**
 * Locks the states that let an order be sent or not, and then the order, until the transaction ends: a halt or a kill waits
 * for an intent that is being committed, and none is committed after it. The instrument is read anew too.
 */
export async function lockStanding(
  { sql }: Tx,
  context: TrackerContext,
  { id, sessionId, accountId, instrumentId }: Pick<OrderRequest, "id" | "sessionId" | "accountId" | "instrumentId">,
): Promise<Standing> {
  const { exchanges, clock } = context.deps;
  const addresses = exchanges.orderBanAddresses(accountId);
  const [row] = await sql<StandingRow[]>`
    select * from order_position_tracker.lock_standing(${sessionId}, ${accountId}, ${id}, ${instrumentId}, ${addresses},
      ${clock.nowMs()})`;
  if (row === undefined) throw new RangeError("A function gives one row.");
  return standingOf(context, row);
}

/** The same for the order that a lane's first task asks to place. Null: it has none. */
export async function lockNextStanding(
  { sql }: Tx,
  context: TrackerContext,
  lane: string,
): Promise<NextStanding | null> {
  const { exchanges, clock } = context.deps;
  const addresses = Object.fromEntries(exchanges.accounts.map(({ id }) => [id, exchanges.orderBanAddresses(id)]));
  const [row] = await sql<(StandingRow & { order_id: string | null })[]>`
    select * from order_position_tracker.next_standing(${PLACE_ORDER.queue}, ${lane}, ${sql.json(addresses)}, ${clock.nowMs()})`;
  return row === undefined ? null : { orderId: row.order_id, standing: standingOf(context, row) };
}

function standingOf({ instruments }: TrackerContext, row: StandingRow): Standing {
  if (row.instrument !== null) instruments.learn(row.instrument);
  const { session_state: state, stop_policy: stopPolicy, gap } = row;
  return {
    session: state === null ? undefined : { state, stopPolicy, gap },
    account: row.trading_state,
    risk: row.risk,
    order: row.known,
    toldMs: row.ban_until_ms,
  };
}

/** How far the market of a session has come by what is stored: the points of its equity, and its fills. Null: there are none. */
export async function lastMarketMs({ sql }: Tx, sessionId: string): Promise<number | null> {
  const [row] = await sql<{ at_ms: number | null }[]>`
    select greatest(
      (select close_at_ms from order_position_tracker.equity_points where session_id = ${sessionId}
        order by candle_n desc limit 1),
      (select max(at_ms) from order_position_tracker.fills where session_id = ${sessionId})) as at_ms`;
  return row?.at_ms ?? null;
}

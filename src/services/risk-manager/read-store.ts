import type { BookJson } from "#shared/accounting/book.ts";
import type { Sql } from "#shared/db/db.ts";
import { normalize } from "#shared/domain/decimal.ts";
import type { ListOrder } from "#shared/http/paging.ts";
import type { BudgetListing, DecisionListing } from "./contract.ts";

// What people read of decisions and budgets, over REST.

/** Where a page of decisions begins: after this one, in the order of time. */
export type DecisionsAfter = [decidedAtMs: number, signalId: string, orderIndex: number];

/** Which decisions, and which page of them. What is undefined does not matter. */
export interface DecisionsAsked {
  sessionId: string | undefined;
  kind: DecisionListing["kind"] | undefined;
  order: ListOrder;
  after: DecisionsAfter | null;
  limit: number;
}

/** Decisions behind the cursor. */
export async function readDecisions(
  sql: Sql,
  { sessionId, kind, order, after, limit }: DecisionsAsked,
): Promise<DecisionListing[]> {
  const down = order === "desc";
  const columns = sql`(decided_at_ms, signal_id, order_index)`;
  const key = after === null ? null : sql`(${after[0]}, ${after[1]}, ${after[2]})`;
  const rows = await sql<DecisionListing[]>`
    select signal_id as "signalId", order_index as "orderIndex", session_id as "sessionId", run,
      signal_number as "signalNumber", kind, code, reason,
      order_id as "orderId", order_number as "orderNumber", side, size, mark, market_at_ms as "marketAtMs",
      decided_at_ms as "decidedAtMs"
    from risk_manager.decisions
    where true ${sessionId === undefined ? sql`` : sql`and session_id = ${sessionId}`}
      ${kind === undefined ? sql`` : ofKind(sql, kind)}
      ${key === null ? sql`` : down ? sql`and ${columns} < ${key}` : sql`and ${columns} > ${key}`}
    order by ${
      down ? sql`decided_at_ms desc, signal_id desc, order_index desc` : sql`decided_at_ms, signal_id, order_index`
    } limit ${limit}`;
  const text = (value: string | null) => (value === null ? null : normalize(value));
  return rows.map((row) => ({ ...row, size: text(row.size), mark: text(row.mark) }));
}

/** As text of the statement: a parameter would keep a plan from the index of those that are denied. */
function ofKind(sql: Sql, kind: DecisionListing["kind"]) {
  return kind === "denied" ? sql`and kind = 'denied'` : sql`and kind = 'approved'`;
}

/** Budgets by session id, after `afterId`; that of one session where it is given. */
export async function readBudgets(
  sql: Sql,
  { sessionId, afterId, limit }: { sessionId: string | undefined; afterId: string; limit: number },
): Promise<BudgetListing[]> {
  const rows = await sql<
    (Omit<BudgetListing, "reserved" | "book"> & { book: BookJson; quote: string; base: string })[]
  >`
    select b.session_id as "sessionId", b.account_id as "accountId", b.capital, b.book,
      b.next_order_number as "nextOrderNumber", b.updated_at_ms as "updatedAtMs",
      coalesce(sum(r.size_left * r.quote_per_unit), 0) as quote, coalesce(sum(r.size_left * r.base_per_unit), 0) as base
    from risk_manager.budgets b left join risk_manager.reservations r on r.session_id = b.session_id
    where b.session_id > ${afterId}
      ${sessionId === undefined ? sql`` : sql`and b.session_id = ${sessionId}`}
    group by b.session_id order by b.session_id limit ${limit}`;
  return rows.map(({ quote, base, ...row }) => ({
    ...row,
    capital: normalize(row.capital),
    reserved: { quote: normalize(quote), base: normalize(base) },
  }));
}

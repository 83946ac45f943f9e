import type { BookJson } from "#shared/accounting/book.ts";
import type { Sql } from "#shared/db/db.ts";
import { normalize } from "#shared/domain/decimal.ts";
import type { BudgetListing, DecisionListing } from "./contract.ts";

// What people read of decisions and budgets, over REST.

/** Where a page of decisions begins: after this one, in the order of time. */
export type DecisionsAfter = [decidedAtMs: number, signalId: string, orderIndex: number];

/** Decisions, oldest first; of one session where it is given. */
export async function readDecisions(
  sql: Sql,
  { sessionId, after, limit }: { sessionId: string | undefined; after: DecisionsAfter | null; limit: number },
): Promise<DecisionListing[]> {
  const [atMs, signalId, index] = after ?? [-1, "", -1];
  const rows = await sql<DecisionListing[]>`
    select signal_id as "signalId", order_index as "orderIndex", session_id as "sessionId", run,
      signal_number as "signalNumber", kind, code, reason,
      order_id as "orderId", order_number as "orderNumber", side, size, mark, market_at_ms as "marketAtMs",
      decided_at_ms as "decidedAtMs"
    from risk_manager.decisions
    where (decided_at_ms, signal_id, order_index) > (${atMs}, ${signalId}, ${index})
      ${sessionId === undefined ? sql`` : sql`and session_id = ${sessionId}`}
    order by decided_at_ms, signal_id, order_index limit ${limit}`;
  const text = (value: string | null) => (value === null ? null : normalize(value));
  return rows.map((row) => ({ ...row, size: text(row.size), mark: text(row.mark) }));
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

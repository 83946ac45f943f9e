import type { Logger } from "pino";
import { z } from "zod";
import type { BookJson } from "#shared/accounting/book.ts";
import type { Db } from "#shared/db/db.ts";
import { normalize } from "#shared/domain/decimal.ts";
import { countNumber, decimalText, epochMs, ownId } from "#shared/domain/schemas.ts";
import { denialCodeSchema, sideSchema } from "#shared/domain/signal.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";

/** An order that a signal led to, or that signal's denial. */
const decisionSchema = z.object({
  signalId: z.string(),
  /** Place of the order among those of its signal, from 0: an exit that is too large for one order makes several. */
  orderIndex: z.number().int(),
  sessionId: z.string(),
  run: z.number().int(),
  signalNumber: z.number().int(),
  kind: z.enum(["approved", "denied"]),
  code: denialCodeSchema.nullable(),
  reason: z.string().nullable(),
  orderId: z.string().nullable(),
  orderNumber: z.number().int().nullable(),
  side: sideSchema.nullable(),
  size: decimalText.nullable(),
  mark: decimalText.nullable(),
  marketAtMs: epochMs,
  decidedAtMs: epochMs,
});
type Decision = z.infer<typeof decisionSchema>;

const budgetSchema = z.object({
  sessionId: z.string(),
  accountId: z.string(),
  capital: decimalText,
  book: z.object({ cash: decimalText, sizes: z.record(z.string(), decimalText) }),
  reserved: z.object({ quote: decimalText, base: decimalText }),
  nextOrderNumber: z.number().int(),
  updatedAtMs: epochMs,
});
type Budget = z.infer<typeof budgetSchema>;

const filter = pageQuery.extend({ sessionId: ownId.optional().describe("Only of this session") });

/** REST of risk-manager: what was decided, and what each session may still take. */
export function createRoutes(db: Db, log: Logger) {
  return httpBase("risk-manager", log)
    .get(
      "/decisions",
      async ({ query }) => {
        const after = readCursor(query.cursor, z.tuple([epochMs, z.string(), countNumber]));
        const rows = await readDecisions(db, query.sessionId, after, query.limit + 1);
        return pageOf(rows, query.limit, (decision) => [decision.decidedAtMs, decision.signalId, decision.orderIndex]);
      },
      {
        query: filter,
        response: { 200: pageSchema(decisionSchema) },
        detail: { summary: "Lists decisions, oldest first" },
      },
    )
    .get(
      "/budgets",
      async ({ query }) => {
        const after = readCursor(query.cursor, z.tuple([z.string()]));
        const rows = await readBudgets(db, query.sessionId, after, query.limit + 1);
        return pageOf(rows, query.limit, (budget) => [budget.sessionId]);
      },
      {
        query: filter,
        response: { 200: pageSchema(budgetSchema) },
        detail: { summary: "Lists the budgets of sessions with what is reserved" },
      },
    );
}

async function readDecisions(
  { sql }: Db,
  sessionId: string | undefined,
  after: [number, string, number] | null,
  limit: number,
) {
  const [atMs, signalId, index] = after ?? [-1, "", -1];
  const rows = await sql<Decision[]>`
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

async function readBudgets({ sql }: Db, sessionId: string | undefined, after: [string] | null, limit: number) {
  type Row = Omit<Budget, "reserved" | "book"> & { book: BookJson; quote: string; base: string };
  const rows = await sql<Row[]>`
    select b.session_id as "sessionId", b.account_id as "accountId", b.capital, b.book,
      b.next_order_number as "nextOrderNumber", b.updated_at_ms as "updatedAtMs",
      coalesce(sum(r.size_left * r.quote_per_unit), 0) as quote, coalesce(sum(r.size_left * r.base_per_unit), 0) as base
    from risk_manager.budgets b left join risk_manager.reservations r on r.session_id = b.session_id
    where b.session_id > ${after?.[0] ?? ""}
      ${sessionId === undefined ? sql`` : sql`and b.session_id = ${sessionId}`}
    group by b.session_id order by b.session_id limit ${limit}`;
  return rows.map(({ quote, base, ...row }) => ({
    ...row,
    capital: normalize(row.capital),
    reserved: { quote: normalize(quote), base: normalize(base) },
  }));
}

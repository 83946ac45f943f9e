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
  signalId: z.string().describe("What was decided about"),
  orderIndex: z
    .number()
    .int()
    .describe(
      "Place of the order among those of its signal, from 0: an exit that is too large for one order makes several",
    ),
  sessionId: z.string().describe("Whose signal it is"),
  run: z.number().int().describe("The start of the session that it belongs to"),
  signalNumber: z.number().int().describe("Number of the signal within the session"),
  kind: z.enum(["approved", "denied"]).describe("What was decided"),
  code: denialCodeSchema.nullable().describe("Why it was denied; null: it was approved"),
  reason: z.string().nullable().describe("The same in a sentence"),
  orderId: z.string().nullable().describe("The order that it led to; null: none"),
  orderNumber: z.number().int().nullable().describe("Its number within the session"),
  side: sideSchema.nullable().describe("BUY or SELL"),
  size: decimalText.nullable().describe("In the base asset"),
  mark: decimalText.nullable().describe("The price that it was measured at"),
  marketAtMs: epochMs.describe("Market clock of the decision, UTC epoch milliseconds"),
  decidedAtMs: epochMs.describe("When it was decided (wall clock), UTC epoch milliseconds"),
});
type Decision = z.infer<typeof decisionSchema>;

const budgetSchema = z.object({
  sessionId: z.string().describe("Whose budget it is"),
  accountId: z.string().describe("The account that it is of"),
  capital: decimalText.describe("What it began with, in the quote asset"),
  book: z
    .object({
      cash: decimalText.describe("In the quote asset"),
      sizes: z.record(z.string(), decimalText).describe("By instrument, in the base asset"),
    })
    .describe("What it has now"),
  reserved: z
    .object({ quote: decimalText.describe("By purchases"), base: decimalText.describe("By sales") })
    .describe("What orders on their way may still take, in the quote and in the base asset"),
  nextOrderNumber: z.number().int().describe("Number that the next order will have"),
  updatedAtMs: epochMs.describe("When it changed last, UTC epoch milliseconds"),
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

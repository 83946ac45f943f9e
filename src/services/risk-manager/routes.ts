import type { Logger } from "pino";
import { z } from "zod";
import type { Db } from "#shared/db/db.ts";
import { countNumber, epochMs, ownId } from "#shared/domain/schemas.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { listOrder, pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { budgetSchema, decisionSchema } from "./contract.ts";
import { readBudgets, readDecisions } from "./read-store.ts";

const filter = pageQuery.extend({ sessionId: ownId.optional().describe("Only of this session") });
const decisionFilter = filter.extend({
  kind: decisionSchema.shape.kind.optional().describe("Only those that are approved, or denied"),
  order: listOrder,
});
const decisionKey = z.tuple([epochMs, z.string(), countNumber]);

/** REST of risk-manager: what was decided, and what each session may still take. */
export function createRoutes(db: Db, log: Logger) {
  return httpBase("risk-manager", log)
    .get(
      "/decisions",
      async ({ query: { sessionId, kind, order, cursor, limit } }) => {
        const after = readCursor(cursor, decisionKey);
        const rows = await readDecisions(db.sql, { sessionId, kind, order, after, limit: limit + 1 });
        return pageOf(rows, limit, (decision) => [decision.decidedAtMs, decision.signalId, decision.orderIndex]);
      },
      {
        query: decisionFilter,
        response: { 200: pageSchema(decisionSchema) },
        detail: { summary: "Lists decisions, oldest first unless the newest are asked for" },
      },
    )
    .get(
      "/budgets",
      async ({ query }) => {
        const [afterId] = readCursor(query.cursor, z.tuple([z.string()])) ?? [""];
        const rows = await readBudgets(db.sql, { sessionId: query.sessionId, afterId, limit: query.limit + 1 });
        return pageOf(rows, query.limit, (budget) => [budget.sessionId]);
      },
      {
        query: filter,
        response: { 200: pageSchema(budgetSchema) },
        detail: { summary: "Lists the budgets of sessions with what is reserved" },
      },
    );
}

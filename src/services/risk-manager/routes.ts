import type { Logger } from "pino";
import { z } from "zod";
import type { Db } from "#shared/db/db.ts";
import { countNumber, epochMs, ownId } from "#shared/domain/schemas.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { budgetSchema, decisionSchema } from "./contract.ts";
import { readBudgets, readDecisions } from "./read-store.ts";

const filter = pageQuery.extend({ sessionId: ownId.optional().describe("Only of this session") });

/** REST of risk-manager: what was decided, and what each session may still take. */
export function createRoutes(db: Db, log: Logger) {
  return httpBase("risk-manager", log)
    .get(
      "/decisions",
      async ({ query }) => {
        const after = readCursor(query.cursor, z.tuple([epochMs, z.string(), countNumber]));
        const rows = await readDecisions(db.sql, { sessionId: query.sessionId, after, limit: query.limit + 1 });
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

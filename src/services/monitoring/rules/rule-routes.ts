import { Elysia } from "elysia";
import { z } from "zod";
import type { Context } from "#services/monitoring/context.ts";
import { FACTS, type FactKind, factNameSchema } from "#services/monitoring/facts/facts.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import { changeRuleSchema, type KeptRule, keptRuleSchema, newRuleSchema, ruleId } from "./rule.ts";
import { changeRule, deleteRule, findRule, insertRule, listRules, resetRule } from "./rule-store.ts";
import { SHIPPED_RULES } from "./shipped-rules.ts";

const byId = z.object({ id: ruleId.describe("The rule's name") });
const cursor = z.tuple([z.string()]);

const factSchema = z.object({
  fact: factNameSchema.describe("Its name, as rules give it"),
  unit: z.enum(["count", "ms", "bytes", "percent"]).describe("What it is counted in"),
  subject: z.string().describe("What each of its values is about, as the scope of an alert names it"),
  meaning: z.string().describe("What it tells"),
});

/** REST of the rules and of what they can be about. */
export function createRuleRoutes(context: Context) {
  return new Elysia().use(createReads(context)).use(createChanges(context)).use(createTakingBack(context));
}

function createReads({ deps: { db, log } }: Context) {
  const facts = Object.entries<FactKind>(FACTS).map(([fact, { unit, subject, meaning }]) => {
    return { fact: factNameSchema.parse(fact), unit, subject, meaning };
  });
  return httpBase("monitoring", log)
    .get("/facts", () => ({ items: facts, nextCursor: null }), {
      response: { 200: pageSchema(factSchema) },
      detail: { summary: "Lists what rules can be about" },
    })
    .get(
      "/rules",
      async ({ query: { limit, cursor: from } }) => {
        const [after] = readCursor(from, cursor) ?? [""];
        return pageOf(await listRules(db.sql, after, limit + 1), limit, ({ id }) => [id]);
      },
      {
        query: pageQuery,
        response: { 200: pageSchema(keptRuleSchema) },
        detail: { summary: "Lists the rules, those that came with the engine and those of persons" },
      },
    )
    .get("/rules/:id", ({ params }) => ruleOf({ deps: { db } }, params.id), {
      params: byId,
      response: { 200: keptRuleSchema, 404: problemSchema },
      detail: { summary: "Reads a rule" },
    });
}

function createChanges({ deps: { db, clock, log } }: Context) {
  return httpBase("monitoring", log)
    .post(
      "/rules",
      async ({ body, status }) => {
        const added = await insertRule(db.sql, body, clock.nowMs());
        if (added === "taken") throw conflict(`There is a rule ${body.id}: change it, or give this one another name.`);
        if (added === "full") throw conflict("There are as many rules as there may be: delete one first.");
        log.info({ rule: body.id }, "a person has made a rule");
        return status(201, await ruleOf({ deps: { db } }, body.id));
      },
      {
        body: newRuleSchema,
        response: { 201: keptRuleSchema, 409: problemSchema },
        detail: { summary: "Makes a rule; it counts from the next look on, within seconds" },
      },
    )
    .patch(
      "/rules/:id",
      async ({ params: { id }, body }) => {
        if (!(await changeRule(db.sql, id, body, clock.nowMs()))) throw unknown();
        log.info({ rule: id, fields: Object.keys(body) }, "a person has changed a rule");
        return await ruleOf({ deps: { db } }, id);
      },
      {
        params: byId,
        body: changeRuleSchema,
        response: { 200: keptRuleSchema, 404: problemSchema },
        detail: { summary: "Changes the fields of a rule that are given" },
      },
    );
}

function createTakingBack({ deps: { db, clock, log } }: Context) {
  return httpBase("monitoring", log)
    .post(
      "/rules/:id/reset",
      async ({ params: { id } }) => {
        const shipped = SHIPPED_RULES.find((rule) => rule.id === id);
        if (shipped === undefined || !(await resetRule(db.sql, shipped, clock.nowMs()))) {
          await ruleOf({ deps: { db } }, id);
          throw conflict(`${id} did not come with the engine: there is nothing to go back to.`);
        }
        log.info({ rule: id }, "a person has reset a rule");
        return await ruleOf({ deps: { db } }, id);
      },
      {
        params: byId,
        response: { 200: keptRuleSchema, 404: problemSchema, 409: problemSchema },
        detail: { summary: "Has a rule be again as it came with the engine" },
      },
    )
    .delete(
      "/rules/:id",
      async ({ params: { id } }) => {
        if (!(await deleteRule(db.sql, id))) {
          await ruleOf({ deps: { db } }, id);
          throw conflict(`${id} came with the engine. Disable it instead: PATCH it with {"enabled": false}.`);
        }
        log.info({ rule: id }, "a person has deleted a rule");
        return new Response(null, { status: 204 });
      },
      {
        params: byId,
        detail: {
          summary: "Deletes a rule of a person; its alerts are over",
          responses: {
            204: { description: "It is deleted" },
            404: { description: "There is none" },
            409: { description: "It came with the engine" },
          },
        },
      },
    );
}

async function ruleOf({ deps: { db } }: { deps: Pick<Context["deps"], "db"> }, id: string): Promise<KeptRule> {
  const rule = await findRule(db.sql, id);
  if (rule === null) throw unknown();
  return rule;
}

function unknown(): AppError {
  return new AppError("NOT_FOUND", "permanent", "There is no such rule.");
}

function conflict(text: string): AppError {
  return new AppError("CONFLICT", "permanent", text);
}

import { Elysia } from "elysia";
import { z } from "zod";
import type { Context } from "#services/monitoring/context.ts";
import { type AlertKinds, severitySchema } from "#shared/alerts/alert-kinds.ts";
import { alertCodeSchema } from "#shared/alerts/open-alerts.ts";
import { epochMs, uuidText } from "#shared/domain/schemas.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import { type AlertRecord, alertSchema, alertStateSchema, viewOf, type Word } from "./alert.ts";
import { acknowledgeAlert, endSilence, findAlert, listAlerts, silence } from "./alert-store.ts";
import { clearByHand } from "./clear-by-hand.ts";

const DAY_MS = 86_400_000;
const LONGEST_SILENCE_MS = 30 * DAY_MS;
const HOUR_MS = 3_600_000;

const byId = z.object({ id: uuidText.describe("The alert's id") });
const cursor = z.tuple([epochMs, uuidText]);
const yesOrNo = z.enum(["true", "false"]).transform((text) => text === "true");
const reason = z.string().trim().min(1).max(1_000).describe("Why, for those who read it later");
const words = z.strictObject({ reason });
const silenceWords = words.extend({
  forMs: z
    .number()
    .int()
    .min(1)
    .max(LONGEST_SILENCE_MS)
    .default(HOUR_MS)
    .describe("For how long nobody is told of it, in milliseconds: 30 days at most"),
});
const headers = z.object({
  "x-forwarded-user": z.string().min(1).max(200).optional().describe("Who it is, as the gateway tells"),
});
const refusals = { 404: problemSchema, 409: problemSchema };

function filterOf(kinds: AlertKinds) {
  return pageQuery.extend({
    state: alertStateSchema.default("open").describe("open: those that are not over. over: the history. all: both"),
    scope: z.string().min(1).max(300).optional().describe('Only of scopes that begin so, such as "session:"'),
    code: alertCodeSchema(kinds).optional().describe("Only of this code"),
    severity: severitySchema.optional().describe("Only of this severity"),
    acknowledged: yesOrNo.optional().describe("Only those that somebody has seen (true), or nobody (false)"),
    silenced: yesOrNo.optional().describe("Only those of which nobody is told now (true), or the others (false)"),
  });
}

/** REST of the alerts of all services. */
export function createAlertRoutes(context: Context) {
  return new Elysia().use(createReads(context)).use(createWords(context)).use(createSilences(context));
}

function createReads({ deps }: Context) {
  const { db, clock, alertKinds: kinds } = deps;
  return httpBase("monitoring", deps.log)
    .get(
      "/alerts",
      async ({ query: { limit, cursor: from, ...which } }) => {
        const at = { sql: db.sql, nowMs: clock.nowMs() };
        const rows = await listAlerts(at, which, { after: readCursor(from, cursor), limit: limit + 1 });
        const page = pageOf(rows, limit, ({ raisedAtMs, id }) => [raisedAtMs, id]);
        return { ...page, items: page.items.map((row) => viewOf(kinds, row)) };
      },
      {
        query: filterOf(kinds),
        response: { 200: pageSchema(alertSchema) },
        detail: { summary: "Lists the alerts of all services, newest first: those that are open, or their history" },
      },
    )
    .get("/alerts/:id", async ({ params }) => viewOf(kinds, await alertOf({ deps }, params.id)), {
      params: byId,
      response: { 200: alertSchema, 404: problemSchema },
      detail: { summary: "Reads an alert, open or over" },
    });
}

function createWords({ deps }: Context) {
  const { db, clock, alertKinds: kinds, log } = deps;
  return httpBase("monitoring", log)
    .post(
      "/alerts/:id/acknowledge",
      async ({ params: { id }, body, headers: given }) => {
        const { scope, code } = await alertOf({ deps }, id);
        const word = wordOf(given, body.reason, clock.nowMs());
        if (!(await acknowledgeAlert(db.sql, id, word))) throw isOver();
        log.info({ id, scope, code, by: word.by, reason: body.reason }, "a person has seen an alert");
        return viewOf(kinds, await alertOf({ deps }, id));
      },
      {
        params: byId,
        body: words,
        headers,
        response: { 200: alertSchema, ...refusals },
        detail: { summary: "Says that somebody has seen an open alert and looks after it; the first word stands" },
      },
    )
    .post(
      "/alerts/:id/clear",
      async ({ params: { id }, body }) => {
        const { scope, code, clearedAtMs } = await alertOf({ deps }, id);
        if (clearedAtMs !== null) throw isOver();
        await clearByHand(deps, { scope, code, reason: body.reason });
        return new Response(null, { status: 204 });
      },
      {
        params: byId,
        body: words,
        detail: {
          summary: "Clears an alert of something that has happened, once a person has dealt with it",
          responses: {
            204: { description: "It is cleared" },
            404: { description: "There is none" },
            409: { description: "It is over, or ends by itself" },
          },
        },
      },
    );
}

function createSilences({ deps }: Context) {
  const { db, clock, alertKinds: kinds, log } = deps;
  return httpBase("monitoring", log)
    .post(
      "/alerts/:id/silence",
      async ({ params: { id }, body, headers: given }) => {
        const { scope, code } = await alertOf({ deps }, id);
        const word = wordOf(given, body.reason, clock.nowMs());
        const untilMs = word.atMs + body.forMs;
        await silence(db.sql, { scope, code }, { ...word, untilMs });
        log.info({ id, scope, code, untilMs, by: word.by, reason: body.reason }, "a person has silenced an alert");
        return viewOf(kinds, await alertOf({ deps }, id));
      },
      {
        params: byId,
        body: silenceWords,
        headers,
        response: { 200: alertSchema, 404: problemSchema },
        detail: { summary: "Has nobody told of an alert for a while, also where it is over and comes again meanwhile" },
      },
    )
    .delete(
      "/alerts/:id/silence",
      async ({ params: { id } }) => {
        const { scope, code } = await alertOf({ deps }, id);
        await endSilence(db.sql, { scope, code });
        log.info({ id, scope, code }, "a person has ended the silence of an alert");
        return viewOf(kinds, await alertOf({ deps }, id));
      },
      {
        params: byId,
        response: { 200: alertSchema, 404: problemSchema },
        detail: { summary: "Ends the silence of an alert" },
      },
    );
}

function wordOf(given: z.infer<typeof headers>, reason: string, atMs: number): Word {
  return { by: given["x-forwarded-user"] ?? "local", reason, atMs };
}

async function alertOf({ deps }: Pick<Context, "deps">, id: string): Promise<AlertRecord> {
  const found = await findAlert({ sql: deps.db.sql, nowMs: deps.clock.nowMs() }, id);
  if (found === null) throw new AppError("NOT_FOUND", "permanent", "There is no such alert.");
  return found;
}

function isOver(): AppError {
  return new AppError("CONFLICT", "permanent", "The alert is over: there is nothing left to do about it.");
}

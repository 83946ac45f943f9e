import { Elysia } from "elysia";
import { z } from "zod";
import { epochMs, uuidText } from "#shared/domain/schemas.ts";
import { sessionSchema } from "#shared/domain/session.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import { etagOf } from "#shared/http/versions.ts";
import type { Deps } from "#shared/service/service.ts";
import type { Logger } from "#shared/telemetry/logger.ts";
import {
  changeHeaders,
  changeSessionSchema,
  createSessionSchema,
  sessionViewSchema,
  stopSessionSchema,
} from "./contract.ts";
import type { Answer } from "./idempotency/idempotency.ts";
import { createBulkRoutes } from "./session/bulk-routes.ts";
import type { Commands } from "./session/commands.ts";
import { conditionsOf } from "./session/conditions.ts";
import { sortFields } from "./session/session-query-store.ts";
import type { Store } from "./store.ts";

const byId = z.object({ id: uuidText.describe("The session's id") });
/** What a sort compares, and the id. */
const byTime = z.tuple([epochMs, z.string()]);
const byText = z.tuple([z.string(), z.string()]);
const refusals = { 404: problemSchema, 409: problemSchema, 412: problemSchema, 422: problemSchema };

const WITHOUT_BODY = ["start", "pause", "resume"] as const;
const SUMMARIES: Record<(typeof WITHOUT_BODY)[number], string> = {
  start: "Starts a session: warm-up and reconciliation, then it trades",
  pause: "Pauses a session: from the answer on no entry is approved",
  resume: "Lets a paused session trade again",
};

/** REST of sessions. A session's version is its ETag. */
export function createRoutes(deps: Pick<Deps, "db" | "log">, commands: Commands, store: Store) {
  const { log } = deps;
  return new Elysia()
    .use(createReads(store, log))
    .use(createChanges(commands, log))
    .use(createActions(commands, log))
    .use(createBulkRoutes(deps, commands, store));
}

function createReads(store: Store, log: Logger) {
  return httpBase("session-manager", log)
    .get(
      "/sessions",
      async ({ query: { limit, cursor, sort, order, ...filter } }) => {
        const isText = sort === "name" || sort === "state";
        const after = isText ? readCursor(cursor, byText) : readCursor(cursor, byTime);
        const rows = await store.list(filter, { sort, order, after, limit: limit + 1 });
        const page = pageOf(rows, limit, ({ key, view }) => [key, view.id]);
        return { ...page, items: page.items.map(({ view }) => view) };
      },
      {
        query: pageQuery.extend(sortFields),
        response: { 200: pageSchema(sessionViewSchema) },
        detail: detail(
          "Lists sessions with what was denied since their start; the oldest first unless another order is asked for",
        ),
      },
    )
    .get(
      "/sessions/:id",
      async ({ params, set }) => {
        const session = await store.view(params.id);
        if (session === null) throw new AppError("NOT_FOUND", "permanent", "There is no such session.");
        set.headers.etag = etagOf(session);
        return session;
      },
      {
        params: byId,
        response: { 200: sessionViewSchema, 404: problemSchema },
        detail: detail("Reads a session with what was denied since its start"),
      },
    );
}

function createChanges(commands: Commands, log: Logger) {
  return httpBase("session-manager", log)
    .post(
      "/sessions",
      async ({ body, headers, request, set, status }) => {
        const answer = await commands.create(body, conditionsOf(request, headers, body));
        const session = told(answer, set.headers);
        set.headers.location = `/api/session-manager/sessions/${session.id}`;
        return status(201, session);
      },
      {
        body: createSessionSchema,
        headers: changeHeaders,
        response: { 201: sessionSchema, ...refusals },
        detail: detail("Creates a session, in state CREATED"),
      },
    )
    .patch(
      "/sessions/:id",
      async ({ params, body, headers, request, set }) =>
        told(await commands.change(params.id, body, conditionsOf(request, headers, body)), set.headers),
      {
        params: byId,
        body: changeSessionSchema,
        headers: changeHeaders,
        response: { 200: sessionSchema, ...refusals, 428: problemSchema },
        detail: detail(
          "Changes a session; name, risk policy and stop policy in any state, instrument, account and time frame " +
            "before its first start only, all else while it is CREATED or STOPPED. A risk policy is sent whole. Needs If-Match with the ETag header of a GET",
        ),
      },
    )
    .delete(
      "/sessions/:id",
      async ({ params, headers, request }) => {
        await commands.remove(params.id, conditionsOf(request, headers, null));
        return new Response(null, { status: 204 });
      },
      {
        params: byId,
        headers: changeHeaders,
        detail: {
          ...detail("Deletes a session that is at rest, without a position or an open order"),
          responses: {
            204: { description: "It is deleted" },
            404: { description: "There is none" },
            409: { description: "It is at work, or has a position or an open order" },
            412: { description: "It has changed since the version that If-Match names" },
          },
        },
      },
    );
}

function createActions(commands: Commands, log: Logger) {
  const routes = httpBase("session-manager", log).post(
    "/sessions/:id/stop",
    async ({ params, body, headers, request, set }) => {
      const stopPolicy = body?.stopPolicy;
      const conditions = conditionsOf(request, headers, stopPolicy ?? null);
      return told(await commands.act(params.id, { action: "stop", stopPolicy }, conditions), set.headers);
    },
    {
      params: byId,
      body: stopSessionSchema,
      headers: changeHeaders,
      response: { 200: sessionSchema, ...refusals },
      detail: detail(
        "Stops a session by its stop policy, or by the one given: keep leaves orders and position, cancel cancels what is open, flatten also closes the position",
      ),
    },
  );
  for (const action of WITHOUT_BODY) {
    routes.post(
      `/sessions/:id/${action}`,
      async ({ params, headers, request, set }) =>
        told(await commands.act(params.id, { action }, conditionsOf(request, headers, null)), set.headers),
      {
        params: byId,
        headers: changeHeaders,
        response: { 200: sessionSchema, ...refusals },
        detail: detail(SUMMARIES[action]),
      },
    );
  }
  return routes;
}

function detail(summary: string) {
  return { summary, tags: ["session-manager"] };
}

function told(answer: Answer, headers: Record<string, unknown>) {
  if (answer.session === null) throw new AppError("INTERNAL", "permanent", "The answer holds no session.");
  headers["etag"] = etagOf(answer.session);
  return answer.session;
}

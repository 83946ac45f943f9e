import { Elysia } from "elysia";
import { z } from "zod";
import { epochMs, shortName, uuidText } from "#shared/domain/schemas.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import type { Logger } from "#shared/telemetry/logger.ts";
import { readAccountState, readAccountStates, setAccountState } from "./account-state.ts";
import { type KillDeps, kill, targetOfWish } from "./kill.ts";
import {
  accountStateSchema,
  killedSessionSchema,
  killHeaders,
  killSchema,
  killSummarySchema,
  killViewSchema,
  releaseSchema,
  setTradingStateSchema,
} from "./kill-contract.ts";
import { readKill, readKilledSessions, readKills } from "./kill-store.ts";
import { noKill, viewOf } from "./kill-view.ts";
import { release } from "./release.ts";

const byId = z.object({ id: uuidText.describe("The kill's id") });
const byAccount = z.object({ id: shortName.describe("The account's name in R3_ACCOUNTS") });
const callerHeaders = killHeaders.pick({ "x-forwarded-user": true });

/** Until users are known, the gateway's header names the caller. */
const callerOf = (headers: { "x-forwarded-user"?: string | undefined }) => headers["x-forwarded-user"] ?? "local";

/** REST of the kill switch and of what accounts may trade. */
export function createKillRoutes(deps: KillDeps, log: Logger) {
  return new Elysia().use(killRoutes(deps, log)).use(progressRoutes(deps, log)).use(stateRoutes(deps, log));
}

function killRoutes(deps: KillDeps, log: Logger) {
  return httpBase("risk-manager", log)
    .post(
      "/kill",
      async ({ body, headers, set, status }) => {
        const view = await kill(deps, body, { caller: callerOf(headers), key: headers["idempotency-key"] ?? null });
        set.headers.location = `/api/risk-manager/kill/${view.id}`;
        return status(202, view);
      },
      {
        body: killSchema,
        headers: killHeaders,
        response: { 202: killViewSchema, 404: problemSchema, 409: problemSchema, 422: problemSchema },
        detail: {
          summary:
            "Kills a session, an account or all: from the answer on no entry's intent is committed (one that was before it may still reach the venue within R3_ORDER_POSITION_TRACKER_RECV_WINDOW_MS, and is closed too), what is open is canceled and what is held is closed. GET /kill/:id says when all is flat",
        },
      },
    )
    .post(
      "/release",
      async ({ body }) => {
        await release(deps, targetOfWish(body), body.abandon);
        return new Response(null, { status: 204 });
      },
      {
        body: releaseSchema,
        detail: {
          summary: "Ends what holds a session, an account or all; each session of it is then started by a person",
          responses: {
            204: { description: "Nothing of that scope is held back any more" },
            404: { description: "There is no such session or account" },
            409: { description: "A kill of it is not flat yet, or a session of it has not stopped yet" },
          },
        },
      },
    );
}

function progressRoutes(deps: KillDeps, log: Logger) {
  return httpBase("risk-manager", log)
    .get(
      "/kill",
      async ({ query }) => {
        const after = readCursor(query.cursor, z.tuple([epochMs, z.string()]));
        const rows = await readKills(deps.db.sql, after, query.limit + 1);
        return pageOf(rows, query.limit, ({ createdAtMs, id }) => [createdAtMs, id]);
      },
      {
        query: pageQuery,
        response: { 200: pageSchema(killSummarySchema) },
        detail: { summary: "Lists kills, oldest first" },
      },
    )
    .get("/kill/:id", ({ params }) => viewOf(deps.db.sql, params.id), {
      params: byId,
      response: { 200: killViewSchema, 404: problemSchema },
      detail: { summary: "How far a kill has come: FLAT once nothing is left that an order could close" },
    })
    .get(
      "/kill/:id/sessions",
      async ({ params, query }) => {
        if ((await readKill(deps.db.sql, params.id)) === null) throw noKill();
        const [afterId] = readCursor(query.cursor, z.tuple([z.string()])) ?? [""];
        const of = { killId: params.id, afterId, limit: query.limit + 1, notFlat: false };
        return pageOf(await readKilledSessions(deps.db.sql, of), query.limit, ({ sessionId }) => [sessionId]);
      },
      {
        params: byId,
        query: pageQuery,
        response: { 200: pageSchema(killedSessionSchema), 404: problemSchema },
        detail: { summary: "Lists the sessions of a kill" },
      },
    );
}

function stateRoutes(deps: KillDeps, log: Logger) {
  return httpBase("risk-manager", log)
    .get(
      "/accounts",
      async ({ query }) => {
        const [afterId] = readCursor(query.cursor, z.tuple([z.string()])) ?? [""];
        const rows = await readAccountStates(deps, { afterId, limit: query.limit + 1 });
        return pageOf(rows, query.limit, ({ accountId }) => [accountId]);
      },
      {
        query: pageQuery,
        response: { 200: pageSchema(accountStateSchema) },
        detail: { summary: "Lists what each account takes: ACTIVE, REDUCING or HALTED, and why" },
      },
    )
    .get("/accounts/:id/trading-state", ({ params }) => readAccountState(deps, params.id), {
      params: byAccount,
      response: { 200: accountStateSchema, 404: problemSchema },
      detail: { summary: "What an account takes, and why" },
    })
    .put(
      "/accounts/:id/trading-state",
      ({ params, body, headers }) =>
        setAccountState(deps, { accountId: params.id, wish: body, caller: callerOf(headers) }),
      {
        params: byAccount,
        body: setTradingStateSchema,
        headers: callerHeaders,
        response: { 200: accountStateSchema, 404: problemSchema, 409: problemSchema, 422: problemSchema },
        detail: { summary: "Sets what an account takes; ACTIVE also ends its kills. It closes nothing by itself" },
      },
    );
}

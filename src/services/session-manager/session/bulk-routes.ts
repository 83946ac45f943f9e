import { z } from "zod";
import {
  bulkAnswerSchema,
  bulkSchema,
  changeHeaders,
  copySessionSchema,
  sessionEventSchema,
} from "#services/session-manager/contract.ts";
import type { Store } from "#services/session-manager/store.ts";
import type { Db } from "#shared/db/db.ts";
import { countNumber, uuidText } from "#shared/domain/schemas.ts";
import { sessionSchema } from "#shared/domain/session.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import type { Logger } from "#shared/telemetry/logger.ts";
import type { Commands } from "./commands.ts";
import { conditionsOf } from "./conditions.ts";
import { readEvents } from "./event-store.ts";

const byId = z.object({ id: uuidText.describe("The session's id") });
const detail = (summary: string) => ({ summary, tags: ["session-manager"] });

/** REST of what concerns many sessions, or all that happened to one. */
export function createBulkRoutes({ db, log }: { db: Db; log: Logger }, commands: Commands, store: Store) {
  return httpBase("session-manager", log)
    .post("/sessions/bulk", ({ body, headers, request }) => commands.bulk(body, conditionsOf(request, headers, body)), {
      body: bulkSchema,
      headers: changeHeaders.omit({ "if-match": true }),
      response: { 200: bulkAnswerSchema, 422: problemSchema },
      detail: detail("Starts, pauses, resumes or stops many sessions, and says of each what became of it"),
    })
    .post(
      "/sessions/:id/copy",
      async ({ params, body, headers, request, set, status }) => {
        const { session } = await commands.copy(params.id, body ?? {}, conditionsOf(request, headers, body ?? null));
        if (session === null) throw new AppError("INTERNAL", "permanent", "The answer holds no session.");
        set.headers.location = `/api/session-manager/sessions/${session.id}`;
        return status(201, session);
      },
      {
        params: byId,
        body: copySessionSchema,
        headers: changeHeaders.omit({ "if-match": true }),
        response: { 201: sessionSchema, 404: problemSchema, 422: problemSchema },
        detail: detail("Makes a new session like this one, in state CREATED, with the fields given otherwise"),
      },
    )
    .get(
      "/sessions/:id/events",
      async ({ params, query }) => {
        const [afterVersion] = readCursor(query.cursor, z.tuple([countNumber])) ?? [0];
        const events = await readEvents(db.sql, { sessionId: params.id, afterVersion, limit: query.limit + 1 });
        if (events.length === 0 && (await store.find(params.id)) === null)
          throw new AppError("NOT_FOUND", "permanent", "There is no such session.");
        return pageOf(events, query.limit, ({ version }) => [version]);
      },
      {
        params: byId,
        query: pageQuery,
        response: { 200: pageSchema(sessionEventSchema), 404: problemSchema },
        detail: detail("Lists what happened to a session, oldest first, also to one that is deleted"),
      },
    );
}

import { z } from "zod";
import { clearAlert } from "#shared/alerts/raise-alert.ts";
import { epochMs, uuidText } from "#shared/domain/schemas.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import type { Deps } from "#shared/service/service.ts";
import { findEnded, insertAction, listActions } from "./dead-actions.ts";
import { type DeadAction, type DeadDetail, deadDetailSchema, deadItemSchema, deadStateSchema } from "./dead-item.ts";
import { type DeadSource, deadEvents, deadTasks } from "./dead-source.ts";

type DeadDeps = Pick<Deps, "db" | "bus" | "queue" | "clock" | "log">;

const byId = z.object({ id: uuidText.describe("The event's or the task's id") });
const cursor = z.tuple([epochMs, uuidText]);
const filter = pageQuery.extend({
  state: deadStateSchema.default("dead").describe("dead: it waits for a person. parked: it is tried again by itself"),
});
const actionBody = z.strictObject({
  reason: z.string().trim().min(1).max(1_000).describe("Why, for those who read it later"),
});
/** Until there are users. */
const BY = "local";

/** REST of the events and tasks that a service could not handle: they are listed, inspected, redriven and discarded. */
export function createDeadRoutes(service: string, deps: DeadDeps) {
  const sources = [deadEvents(() => deps.bus.parking, service), deadTasks(() => deps.queue.failing, service)];
  const place = { service, deps, sources };
  const act = (action: DeadAction["action"], id: string, reason: string) => actOn(place, { action, id, reason });
  return httpBase(service, deps.log)
    .get(
      "/dead",
      async ({ query: { limit, cursor: from, state } }) => {
        const after = readCursor(from, cursor);
        const found = await Promise.all(sources.map((source) => source.list(state, after, limit + 1)));
        const rows = found.flat().toSorted((a, b) => a.sinceMs - b.sinceMs || (a.id < b.id ? -1 : 1));
        return pageOf(rows.slice(0, limit + 1), limit, ({ sinceMs, id }) => [sinceMs, id]);
      },
      {
        query: filter,
        response: { 200: pageSchema(deadItemSchema) },
        detail: { summary: "Lists the events and tasks that could not be handled, oldest first" },
      },
    )
    .get("/dead/:id", ({ params: { id } }) => detailOf(place, id), {
      params: byId,
      response: { 200: deadDetailSchema, 404: problemSchema },
      detail: {
        summary:
          "Reads one with its content, what waits behind it and what was done about it, also after it was redriven or discarded",
      },
    })
    .post("/dead/:id/redrive", ({ params, body }) => act("redrive", params.id, body.reason), {
      params: byId,
      body: actionBody,
      response: { 200: deadDetailSchema, 404: problemSchema, 409: problemSchema },
      detail: { summary: "Has a dead one tried again, and then those that wait behind it" },
    })
    .post("/dead/:id/discard", ({ params, body }) => act("discard", params.id, body.reason), {
      params: byId,
      body: actionBody,
      response: { 200: deadDetailSchema, 404: problemSchema, 409: problemSchema },
      detail: { summary: "Takes a dead one out without its effect; those that wait behind it go on" },
    });
}

/** What acts on it, and on whose behalf. */
interface DeadPlace {
  service: string;
  deps: DeadDeps;
  sources: readonly DeadSource[];
}

async function detailOf({ service, deps, sources }: DeadPlace, id: string): Promise<DeadDetail> {
  const { sql } = deps.db;
  const subject = (await findIn(sources, id))?.subject ?? (await findEnded(sql, service, id));
  if (subject === null) throw unknown();
  return { ...subject, actions: await listActions(sql, id) };
}

async function findIn(sources: readonly DeadSource[], id: string) {
  for (const source of sources) {
    const subject = await source.find(id);
    if (subject !== null) return { source, subject };
  }
  return null;
}

/** NOT_FOUND where there is no such event or task, CONFLICT where it is not dead (any more). */
async function actOn(
  place: DeadPlace,
  { action, id, reason }: { action: DeadAction["action"]; id: string; reason: string },
): Promise<DeadDetail> {
  const { service, deps, sources } = place;
  const { db, clock, log } = deps;
  const found = await findIn(sources, id);
  if (found === null) throw (await findEnded(db.sql, service, id)) === null ? unknown() : notDead();
  const { source, subject } = found;
  const done = { action, by: BY, reason, atMs: clock.nowMs() };
  const after = await db.transaction(async (tx) => {
    const item = await source[action](tx, id);
    if (item === null) throw notDead();
    await insertAction(tx, service, { ...done, subject });
    if (!(await source.hasDead(tx, item))) await clearAlert(tx, deps, source.alertOf(item));
    return item;
  });
  const { kind, channel, lane } = after;
  log.info({ id, kind, channel, lane, action, reason }, "a person decided about something dead");
  return action === "redrive" ? { ...subject, ...after, actions: await listActions(db.sql, id) } : detailOf(place, id);
}

function unknown(): AppError {
  return new AppError("NOT_FOUND", "permanent", "Nothing parked or dead has this id.");
}

function notDead(): AppError {
  const told = "It is not dead: only what nobody tries again is redriven or discarded.";
  return new AppError("CONFLICT", "permanent", told);
}

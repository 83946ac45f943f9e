import { z } from "zod";
import { noSeries } from "#services/market-data/series/no-series.ts";
import type { Store } from "#services/market-data/store.ts";
import { MOST_BACKFILL } from "#shared/candles/limits.ts";
import { epochMs, uuidText } from "#shared/domain/schemas.ts";
import { timeFrameMs } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { invalidInput } from "#shared/errors/field-error.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import type { Deps } from "#shared/service/service.ts";
import { endBackfill, insertBackfill, listBackfills, readBackfill, resumeBackfill } from "./backfill-store.ts";
import { type Backfill, type BackfillRequest, backfillRequestSchema, backfillSchema } from "./contract.ts";
import { RUN_BACKFILL } from "./messages.ts";

type BackfillDeps = Pick<Deps, "db" | "queue" | "clock" | "log">;
interface RouteOptions {
  deps: BackfillDeps;
  store: Store;
}

const tags = ["market-data"];
const idParams = z.object({ id: uuidText.describe("The back-fill's id") });
const listQuery = pageQuery.extend({
  instrumentId: backfillRequestSchema.shape.instrumentId.optional().describe("Only of this instrument"),
  timeFrame: backfillRequestSchema.shape.timeFrame.optional().describe("Only of this time frame"),
  state: backfillSchema.shape.state.optional().describe("Only in this state"),
});

/** REST of the back-fills. */
export function createBackfillRoutes(options: RouteOptions) {
  const { deps } = options;
  return httpBase("market-data", deps.log)
    .post("/backfills", async ({ body, status }) => status(202, await create(options, body)), {
      body: backfillRequestSchema,
      response: { 202: backfillSchema, 404: problemSchema, 409: problemSchema, 422: problemSchema },
      detail: {
        summary: "Lets a kept series grow at its beginning, back to a time or up to a number of candles",
        description:
          "Earlier candles are numbered 0, -1, ...; none is renumbered. A series has one back-fill at a time: while one goes on, the same call gives it again, and one that asks for more lets it go on as far.",
        tags,
      },
    })
    .get("/backfills", ({ query }) => list(deps, query), {
      query: listQuery,
      response: { 200: pageSchema(backfillSchema), 422: problemSchema },
      detail: { summary: "Lists back-fills, oldest first", tags },
    })
    .get("/backfills/:id", ({ params }) => backfillOf(deps, params.id), {
      params: idParams,
      response: { 200: backfillSchema, 404: problemSchema },
      detail: { summary: "A back-fill: its state, and how far it is", tags },
    })
    .post("/backfills/:id/cancel", ({ params }) => cancel(deps, params.id), {
      params: idParams,
      response: { 200: backfillSchema, 404: problemSchema, 409: problemSchema },
      detail: {
        summary: "Cancels a back-fill that is not over; the candles that it has added stay",
        description: "It is CANCELED with the answer, and adds nothing any more. One that is over is 409.",
        tags,
      },
    })
    .post("/backfills/:id/resume", ({ params }) => resume(deps, params.id), {
      params: idParams,
      response: { 200: backfillSchema, 404: problemSchema, 409: problemSchema },
      detail: {
        summary: "Lets a back-fill go on that was canceled or has failed, from where its pages stopped",
        description:
          "One that goes on already whose task could not be done is tried again. One that is DONE, or whose series another one grows, is 409.",
        tags,
      },
    });
}

async function create({ deps, store }: RouteOptions, request: BackfillRequest): Promise<Backfill> {
  const { db, clock } = deps;
  const { instrumentId, timeFrame, count = null } = request;
  const fromMs = request.fromMs ?? (request.from === undefined ? null : Date.parse(request.from));
  const field = request.from === undefined ? "fromMs" : "from";
  if (fromMs !== null && fromMs > clock.nowMs()) throw invalidInput([{ field, message: "must not be in the future" }]);
  if (fromMs !== null && fromMs < 0) throw invalidInput([{ field, message: "must not be before 1970" }]);
  const series = await store.series(instrumentId, timeFrame);
  if (series === null) throw noSeries(request);
  const first = await store.first(series);
  if (first === null) {
    const message = `The series ${instrumentId} ${timeFrame} has no candle yet: ask again once it has one.`;
    throw new AppError("CONFLICT", "permanent", message, { details: { instrumentId } });
  }
  const most = fromMs === null ? 0 : Math.ceil((first.openAtMs - fromMs) / timeFrameMs(timeFrame));
  if (most > MOST_BACKFILL) {
    const message = `is up to ${most} candles back; at most ${MOST_BACKFILL} may be asked for: take a later time, or a longer time frame`;
    throw invalidInput([{ field, message }]);
  }
  const wanted = { instrumentId, timeFrame, fromMs, count, id: Bun.randomUUIDv7(), atMs: clock.nowMs() };
  const id = await db.transaction(async (tx) => {
    const stands = await insertBackfill(tx, wanted);
    if (stands === wanted.id) await enqueue(deps, tx, stands);
    return stands;
  });
  return await backfillOf(deps, id);
}

async function enqueue(
  { queue }: BackfillDeps,
  tx: Parameters<Deps["queue"]["enqueue"]>[0],
  id: string,
): Promise<void> {
  await queue.enqueue(tx, { task: RUN_BACKFILL, lane: id, payload: { backfillId: id } });
}

async function list({ db }: BackfillDeps, query: z.infer<typeof listQuery>) {
  const { cursor, limit, ...of } = query;
  const after = readCursor(cursor, z.tuple([epochMs, uuidText]));
  const rows = await listBackfills(db.sql, of, { after, limit: limit + 1 });
  return pageOf(rows, limit, ({ createdAtMs, id }) => [createdAtMs, id]);
}

async function cancel(deps: BackfillDeps, id: string): Promise<Backfill> {
  const end = { state: "CANCELED", error: "It was canceled.", atMs: deps.clock.nowMs() } as const;
  const isCanceled = await deps.db.transaction((tx) => endBackfill(tx, id, end));
  const backfill = await backfillOf(deps, id);
  if (isCanceled || backfill.state === "CANCELED") return backfill;
  const message = `The back-fill is over: it is ${backfill.state}, and there is nothing to cancel.`;
  throw new AppError("CONFLICT", "permanent", message);
}

/** Its lane is locked before its series and its row, as its worker locks them. */
async function resume(deps: BackfillDeps, id: string): Promise<Backfill> {
  const before = await backfillOf(deps, id);
  if (before.state === "DONE")
    throw new AppError("CONFLICT", "permanent", "The back-fill is DONE: there is nothing to go on with.");
  await deps.db.transaction(async (tx) => {
    const goesOn = before.state === "QUEUED" || before.state === "RUNNING";
    if (goesOn && (await deps.queue.hasOpen(tx, { queue: RUN_BACKFILL.queue, lane: id }))) return;
    await enqueue(deps, tx, id);
    if (goesOn || (await resumeBackfill(tx, before))) return;
    const message = `Another back-fill of ${before.instrumentId} ${before.timeFrame} goes on: wait for it, or cancel it first.`;
    throw new AppError("CONFLICT", "permanent", message);
  });
  return await backfillOf(deps, id);
}

async function backfillOf({ db }: BackfillDeps, id: string): Promise<Backfill> {
  const backfill = await readBackfill(db.sql, id);
  if (backfill !== null) return backfill;
  throw new AppError("NOT_FOUND", "permanent", "There is no back-fill of this id.");
}

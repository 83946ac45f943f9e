import { z } from "zod";
import { keyHeaders } from "#services/backtest/routes.ts";
import type { Settings } from "#services/backtest/settings.ts";
import { countNumber, epochMs, uuidText } from "#shared/domain/schemas.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import type { Deps } from "#shared/service/service.ts";
import { FIGURES, type Sweep, sweepRequestSchema, sweepRunSchema, sweepSchema } from "./contract.ts";
import { createSweep, PRIORITY } from "./create-sweep.ts";
import { listSweepRuns } from "./list-store.ts";
import { laneOf, RUN_SWEEP } from "./messages.ts";
import { cancelSweep, listSweeps, readSweep, resumeSweep, waitingParts } from "./store.ts";

const idParams = z.object({ id: uuidText.describe("The sweep's id") });
const runsQuery = pageQuery.extend({
  sort: z.enum(FIGURES).default("number").describe("By which figure; runs without it come last"),
  order: z.enum(["asc", "desc"]).default("asc").describe("asc: the least first; desc: the most first"),
  state: sweepRunSchema.shape.state.optional().describe("Only runs in this state"),
});
const figureText = z.string().regex(/^-?\d{1,60}(\.\d{1,400})?$/);

/** REST of the sweeps. */
export function createSweepRoutes({ deps, settings }: { deps: Deps; settings: Settings }) {
  return httpBase("backtest", deps.log)
    .post(
      "/sweeps",
      async ({ body, headers, status }) => {
        const most = settings.R3_BACKTEST_MAX_SWEEP_RUNS;
        const id = await createSweep(deps, { request: body, key: headers["idempotency-key"] ?? null, most });
        return status(202, await sweepOf(deps, id));
      },
      {
        body: sweepRequestSchema,
        headers: keyHeaders,
        response: { 202: sweepSchema, 422: problemSchema },
        detail: {
          summary:
            "Asks for a sweep: a run with every combination of some parameters; the same Idempotency-Key gives the same sweep",
          description:
            "Combinations that the strategy refuses are left out and counted. All runs use the same candles and the same version of the strategy.",
        },
      },
    )
    .get("/sweeps", ({ query }) => pageOfSweeps(deps, query), {
      query: pageQuery,
      response: { 200: pageSchema(sweepSchema) },
      detail: { summary: "Lists sweeps, oldest first" },
    })
    .get("/sweeps/:id", ({ params }) => sweepOf(deps, params.id), {
      params: idParams,
      response: { 200: sweepSchema, 404: problemSchema },
      detail: { summary: "A sweep: its state, and how many of its runs are over" },
    })
    .get("/sweeps/:id/runs", ({ params, query }) => pageOfSweepRuns(deps, params.id, query), {
      params: idParams,
      query: runsQuery,
      response: { 200: pageSchema(sweepRunSchema), 404: problemSchema },
      detail: { summary: "The runs of a sweep with their figures, sorted by one of these" },
    })
    .post("/sweeps/:id/cancel", ({ params }) => cancel(deps, params.id), {
      params: idParams,
      response: { 200: sweepSchema, 404: problemSchema, 409: problemSchema },
      detail: {
        summary: "Cancels a sweep that is not over; the runs that are done stay",
        description:
          "It is CANCELED with the answer, and no run of it is written any more. A sweep that is over is 409.",
      },
    })
    .post("/sweeps/:id/resume", ({ params }) => resume(deps, params.id), {
      params: idParams,
      response: { 200: sweepSchema, 404: problemSchema, 409: problemSchema },
      detail: {
        summary: "Lets a sweep go on that was canceled or has failed, with the runs that are not over",
        description:
          "Of one that goes on already, parts whose task could not be done are tried again. A sweep that is DONE is 409.",
      },
    });
}

async function pageOfSweeps({ db }: Deps, { cursor, limit }: z.infer<typeof pageQuery>) {
  const after = readCursor(cursor, z.tuple([epochMs, uuidText]));
  return pageOf(await listSweeps(db.sql, after, limit + 1), limit, (sweep) => [sweep.createdAtMs, sweep.id]);
}

async function pageOfSweepRuns(deps: Deps, sweepId: string, query: z.infer<typeof runsQuery>) {
  await sweepOf(deps, sweepId);
  const { limit, sort, order, state } = query;
  // A run without the figure has an empty text.
  const from = readCursor(query.cursor, z.tuple([figureText.or(z.literal("")), countNumber]));
  const after = from === null ? null : ([from[0] === "" ? null : from[0], from[1]] as const);
  const found = { sweepId, state, sort, descending: order === "desc", after };
  const rows = await listSweepRuns(deps.db.sql, { ...found, limit: limit + 1 });
  const page = pageOf(rows, limit, ({ figure, number }) => [figure ?? "", number]);
  return { ...page, items: page.items.map(({ figure: _figure, ...run }) => run) };
}

async function cancel(deps: Deps, id: string): Promise<Sweep> {
  const canceled = await deps.db.transaction((tx) => cancelSweep(tx, id, deps.clock.nowMs()));
  const sweep = await sweepOf(deps, id);
  if (canceled || sweep.state === "CANCELED") return sweep;
  throw new AppError(
    "CONFLICT",
    "permanent",
    `The sweep is over: it is ${sweep.state}, and there is nothing to cancel.`,
  );
}

/**
 * Lanes are locked before the sweep's row, as workers lock them. Of a sweep that goes on, parts alone whose task is dead: while it
 * does, a task that is open ends with no run of its part left.
 */
async function resume(deps: Deps, id: string): Promise<Sweep> {
  const before = await sweepOf(deps, id);
  if (before.state === "DONE")
    throw new AppError("CONFLICT", "permanent", "The sweep is DONE: there is nothing to go on with.");
  const goesOn = before.state === "QUEUED" || before.state === "RUNNING";
  const { queue } = RUN_SWEEP;
  await deps.db.transaction(async (tx) => {
    for (const part of await waitingParts(tx, id)) {
      const lane = laneOf(id, part);
      if (goesOn && (await deps.queue.hasOpen(tx, { queue, lane }))) continue;
      await deps.queue.enqueue(tx, { task: RUN_SWEEP, lane, payload: { sweepId: id, part }, priority: PRIORITY });
    }
    if (!goesOn) await resumeSweep(tx, id);
  });
  return await sweepOf(deps, id);
}

async function sweepOf(deps: Deps, id: string): Promise<Sweep> {
  const sweep = await readSweep(deps.db.sql, id);
  if (sweep !== null) return sweep;
  throw new AppError("NOT_FOUND", "permanent", "There is no sweep of this id.");
}

import { z } from "zod";
import { countNumber, epochMs, uuidText } from "#shared/domain/schemas.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { invalidInput } from "#shared/errors/field-error.ts";
import { fingerprintOf } from "#shared/http/fingerprint.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import { RUN_BACKTEST } from "#shared/messages/tasks.ts";
import { faultsOfRequest } from "#shared/risk/check-request.ts";
import type { Deps } from "#shared/service/service.ts";
import { faultsOfStrategy } from "#shared/strategy/registry.ts";
import {
  equityPointSchema,
  orderSchema,
  type Run,
  type RunRequest,
  requestSchema,
  runSchema,
  tradeSchema,
} from "./contract.ts";
import { cancelRun, findByKey, insertRun, listEquity, listOrders, listRuns, listTrades, readRun } from "./store.ts";

const idParams = z.object({ id: uuidText.describe("The run's id") });
/** Headers of what makes something. */
export const keyHeaders = z.looseObject({
  "idempotency-key": z.string().min(1).max(200).optional().describe("The same key gives the same answer"),
});

/** REST of the backtests. */
export function createRoutes({ deps }: { deps: Deps }) {
  return httpBase("backtest", deps.log)
    .post(
      "/runs",
      async ({ body, headers, status }) => {
        const params = await checkRequest(deps, body);
        const id = await createRun(deps, { ...body, params }, headers["idempotency-key"] ?? null);
        return status(202, await runOf(deps, id));
      },
      {
        body: requestSchema,
        headers: keyHeaders,
        response: { 202: runSchema, 422: problemSchema },
        detail: { summary: "Asks for a run; the same Idempotency-Key gives the same run" },
      },
    )
    .get("/runs", ({ query }) => pageOfRuns(deps, query), {
      query: pageQuery,
      response: { 200: pageSchema(runSchema) },
      detail: { summary: "Lists runs, oldest first" },
    })
    .get("/runs/:id", ({ params }) => runOf(deps, params.id), {
      params: idParams,
      response: { 200: runSchema, 404: problemSchema },
      detail: { summary: "A run: its state, progress and statistics" },
    })
    .delete("/runs/:id", ({ params }) => cancel(deps, params.id), {
      params: idParams,
      response: { 200: runSchema, 404: problemSchema, 409: problemSchema },
      detail: {
        summary: "Cancels a run that is not over",
        description: "It is CANCELED with the answer; its thread ends within a second. A run that is over is 409.",
      },
    })
    .get("/runs/:id/orders", ({ params, query }) => pageOfOrders(deps, params.id, query), {
      params: idParams,
      query: pageQuery,
      response: { 200: pageSchema(orderSchema), 404: problemSchema },
      detail: {
        summary: "The orders of a run that is done",
        description:
          "A market buy whose fill at the next open is dearer than the cash expires whole (INSUFFICIENT_BALANCE at the venue): EXPIRED, filled 0.",
      },
    })
    .get("/runs/:id/trades", ({ params, query }) => pageOfTrades(deps, params.id, query), {
      params: idParams,
      query: pageQuery,
      response: { 200: pageSchema(tradeSchema), 404: problemSchema },
      detail: {
        summary: "The trades of a run that is done, oldest first",
        description:
          "Round trips that are over; a position that is open at the end is none. Their count is that of the statistics.",
      },
    })
    .get("/runs/:id/equity", ({ params, query }) => pageOfEquity(deps, params.id, query), {
      params: idParams,
      query: pageQuery,
      response: { 200: pageSchema(equityPointSchema), 404: problemSchema },
      detail: { summary: "The equity at each close of a run that is done, exact" },
    });
}

type PageQuery = z.infer<typeof pageQuery>;

async function pageOfRuns({ db }: Deps, { cursor, limit }: PageQuery) {
  const after = readCursor(cursor, z.tuple([epochMs, uuidText]));
  return pageOf(await listRuns(db.sql, after, limit + 1), limit, (run) => [run.createdAtMs, run.id]);
}

async function pageOfOrders(deps: Deps, id: string, { cursor, limit }: PageQuery) {
  await runOf(deps, id);
  const [after] = readCursor(cursor, z.tuple([countNumber])) ?? [0];
  return pageOf(await listOrders(deps.db.sql, id, after, limit + 1), limit, ({ number }) => [number]);
}

async function pageOfTrades(deps: Deps, id: string, { cursor, limit }: PageQuery) {
  await runOf(deps, id);
  const [after] = readCursor(cursor, z.tuple([countNumber])) ?? [0];
  return pageOf(await listTrades(deps.db.sql, id, after, limit + 1), limit, ({ number }) => [number]);
}

async function pageOfEquity(deps: Deps, id: string, { cursor, limit }: PageQuery) {
  await runOf(deps, id);
  const [after] = readCursor(cursor, z.tuple([epochMs])) ?? [-1];
  return pageOf(await listEquity(deps.db.sql, id, after, limit + 1), limit, ({ closeAtMs }) => [closeAtMs]);
}

/** The parameters with their defaults. Throws INVALID_INPUT (422) that names each field which is wrong. */
async function checkRequest({ clients, strategies }: Deps, request: RunRequest): Promise<RunRequest["params"]> {
  const instrument = await clients.marketData.instrument(request.instrumentId);
  const strategy = await strategies.check(request);
  const errors = [...faultsOfRequest({ ...request, instrument }, "instrumentId"), ...faultsOfStrategy(strategy)];
  if (errors.length > 0 || strategy.kind !== "valid") throw invalidInput(errors);
  return strategy.params as RunRequest["params"];
}

/** The run and its task in one transaction. A key that stands already gives its run, or 422 with another request. */
async function createRun(deps: Deps, request: RunRequest, key: string | null): Promise<string> {
  const id = Bun.randomUUIDv7();
  const fingerprint = fingerprintOf(request);
  const inserted = await deps.db.transaction(async (tx) => {
    if (!(await insertRun(tx, { id, request, key, fingerprint, atMs: deps.clock.nowMs() }))) return false;
    await deps.queue.enqueue(tx, { task: RUN_BACKTEST, lane: id, payload: { runId: id } });
    return true;
  });
  if (inserted) return id;
  const found = key === null ? null : await findByKey(deps.db.sql, key);
  if (found?.fingerprint === fingerprint) return found.id;
  throw invalidInput([{ field: "headers.idempotency-key", message: "was used for another request" }]);
}

async function cancel(deps: Deps, id: string): Promise<Run> {
  const canceled = await deps.db.transaction((tx) => cancelRun(tx, id, deps.clock.nowMs()));
  const run = await runOf(deps, id);
  if (canceled || run.state === "CANCELED") return run;
  throw new AppError("CONFLICT", "permanent", `The run is over: it is ${run.state}, and there is nothing to cancel.`);
}

async function runOf(deps: Deps, id: string): Promise<Run> {
  const run = await readRun(deps.db.sql, id);
  if (run !== null) return run;
  throw new AppError("NOT_FOUND", "permanent", "There is no run of this id.");
}

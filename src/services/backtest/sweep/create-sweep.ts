import { AppError } from "#shared/errors/app-error.ts";
import { type FieldError, invalidInput } from "#shared/errors/field-error.ts";
import { fingerprintOf } from "#shared/http/fingerprint.ts";
import { faultsOfRequest } from "#shared/risk/check-request.ts";
import type { Deps } from "#shared/service/service.ts";
import { faultsOfStrategy, type StrategyCheck } from "#shared/strategy/registry.ts";
import type { SweepRequest } from "./contract.ts";
import { combinationsOf, longestOf, type Params, sizeOfGrid } from "./grid.ts";
import { laneOf, RUN_SWEEP } from "./messages.ts";
import { findSweepByKey, insertSweep } from "./store.ts";

/** Runs of a part at most: a worker that dies leaves at most half a second of them undone, but a part is one worker's alone. */
const MOST_A_PART = 16;
/** Into so many parts a sweep is cut at least, if it has as many runs, so that its workers end together. */
const LEAST_PARTS = 20;
/** Behind runs that a person waits for. */
export const PRIORITY = 6;
/** Characters of all parameters of a sweep, which are kept with each run. */
const MOST_CHARACTERS = 16 * 1_024 * 1_024;
/** Combinations that are checked at once. */
const CHECKS_AT_ONCE = 100;

/** The combinations that the strategy takes, with their defaults, and how many it refuses. */
interface Checked {
  strategyVersion: string;
  params: Params[];
  leftOut: number;
  leftOutReason: string | null;
}

/**
 * Keeps a sweep, its runs and the tasks of its parts in one transaction, and gives its id. A key that stands already gives its
 * sweep. INVALID_INPUT (422) names each field that is wrong.
 */
export async function createSweep(
  deps: Deps,
  { request, key, most }: { request: SweepRequest; key: string | null; most: number },
): Promise<string> {
  const fingerprint = fingerprintOf(request);
  const known = key === null ? null : await sweepUnder(deps, key, fingerprint);
  if (known !== null) return known;
  const size = sizeOfGrid(request.grid);
  if (size > most) {
    const message = `makes ${size} combinations; at most ${most} may be asked for (R3_BACKTEST_MAX_SWEEP_RUNS): take a wider step or fewer values`;
    throw invalidInput([{ field: "grid", message }]);
  }
  if (size * longestOf(request.grid, request.params) > MOST_CHARACTERS) {
    const message = `makes ${size} combinations with more than ${MOST_CHARACTERS} characters of parameters: take shorter values, or fewer`;
    throw invalidInput([{ field: "grid", message }]);
  }
  const { params, ...checked } = await checkAll(deps, request);
  const id = Bun.randomUUIDv7();
  const partSize = Math.min(MOST_A_PART, Math.ceil(params.length / LEAST_PARTS));
  const inserted = await deps.db.transaction(async (tx) => {
    const kept = { id, request, params, ...checked, partSize, key, fingerprint, atMs: deps.clock.nowMs() };
    if (!(await insertSweep(tx, kept))) return false;
    for (let part = 0; part * partSize < params.length; part += 1) {
      const task = { task: RUN_SWEEP, lane: laneOf(id, part), payload: { sweepId: id, part }, priority: PRIORITY };
      await deps.queue.enqueue(tx, task);
    }
    return true;
  });
  if (inserted) return id;
  const other = key === null ? null : await sweepUnder(deps, key, fingerprint);
  if (other !== null) return other;
  throw new AppError("SERVICE_UNAVAILABLE", "transient", "The key was let go at this moment: send it again.");
}

/** Null: nothing stands under the key. */
async function sweepUnder({ db }: Deps, key: string, fingerprint: string): Promise<string | null> {
  const found = await findSweepByKey(db.sql, key);
  if (found === null || found.fingerprint === fingerprint) return found?.id ?? null;
  throw invalidInput([{ field: "headers.idempotency-key", message: "was used for another request" }]);
}

async function checkAll({ clients, strategies }: Deps, request: SweepRequest): Promise<Checked> {
  const instrument = await clients.marketData.instrument(request.instrumentId);
  const faults = faultsOfRequest({ ...request, instrument }, "instrumentId");
  const combinations = combinationsOf(request.grid, request.params);
  const checks: StrategyCheck[] = [];
  for (let from = 0; from < combinations.length; from += CHECKS_AT_ONCE) {
    const some = combinations.slice(from, from + CHECKS_AT_ONCE);
    checks.push(...(await Promise.all(some.map((params) => strategies.check({ ...request, params })))));
    // Not known: no other combination is.
    if (checks[0]?.kind === "unknown-strategy") break;
  }
  const valid = checks.filter((check) => check.kind === "valid");
  const refused = checks.find((check) => check.kind !== "valid");
  const [first] = valid;
  if (first === undefined || faults.length > 0) {
    const ofStrategy = first === undefined && refused !== undefined ? faultsOf(refused, request) : [];
    const isOfAll = faults.length === 0 && refused?.kind === "invalid-params" && combinations.length > 1;
    const sentence = `The strategy takes none of the ${combinations.length} combinations; the first is refused for the fields named.`;
    throw invalidInput([...faults, ...ofStrategy], isOfAll ? sentence : undefined);
  }
  const { strategyVersion } = first;
  if (valid.some((check) => check.strategyVersion !== strategyVersion)) {
    const text = "The strategy has changed at this moment: send the request again.";
    throw new AppError("SERVICE_UNAVAILABLE", "transient", text);
  }
  return {
    strategyVersion,
    params: valid.map(({ params }) => params),
    leftOut: checks.length - valid.length,
    leftOutReason: refused === undefined ? null : sentenceOf(refused, request),
  };
}

/** A parameter that stands in the grid is named there. */
function faultsOf(refused: StrategyCheck, { grid }: SweepRequest): FieldError[] {
  return faultsOfStrategy(refused).map(({ field, message }) => {
    const [where, name = ""] = field.split(".");
    return {
      field: where === "params" && Object.hasOwn(grid, name) ? field.replace("params", "grid") : field,
      message,
    };
  });
}

function sentenceOf(refused: StrategyCheck, request: SweepRequest): string {
  return `${faultsOf(refused, request)
    .map(({ field, message }) => `${field} ${message}`)
    .join("; ")}.`;
}

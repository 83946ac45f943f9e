import { AppError } from "#shared/errors/app-error.ts";
import { createTaskDecoder } from "./decode-task.ts";
import { lockLane, type TaskRow } from "./lane-rows.ts";
import { endTasks } from "./pending-writes.ts";
import type { TaskOutcome, WorkerOptions } from "./queue.ts";
import { putOff, readAhead, transact, type WorkerContext } from "./worker-context.ts";

/** Tasks of a lane in one transaction at most. */
const BATCH = 500;

type TransactionOptions = Extract<WorkerOptions, { mode: "transaction" }>;

/** Does all that waits in a lane, each batch in one transaction that has the lane's row locked. Effects in Postgres alone. */
export function createTransactionRun(context: WorkerContext, options: TransactionOptions) {
  const decode = createTaskDecoder(options.tasks);

  async function doBatch(lane: string, limit: number, seen: (rows: TaskRow[]) => void) {
    const at = { queue: options.queue, lane };
    return transact(context, at, async (tx) => {
      const locking = lockLane(tx, at, limit);
      const reading = readAhead(options, tx, lane);
      const rows = await locking;
      seen(rows);
      if (rows.length === 0) return undefined;
      const ahead = await reading;
      const tasks = rows.map((row) => decode(row, row.attempts + 1));
      const outcomes = await options.handle(tx, tasks, ahead);
      const done = tasks.map(({ id, attempts }, n) => ({ id, attempts, outcome: outcomeAt(outcomes, n) }));
      return { more: endTasks(tx, { at, done, later: [] }), done };
    });
  }

  return async function run(lane: string): Promise<TaskOutcome> {
    const at = { queue: options.queue, lane };
    let limit = BATCH;
    let count = 0;
    let last: TaskOutcome = {};
    let failure: unknown;
    for (;;) {
      let rows: TaskRow[] = [];
      try {
        const batch = await doBatch(lane, limit, (found) => {
          rows = found;
        });
        if (batch === undefined) break;
        count += batch.done.length;
        last = batch.done.at(-1)?.outcome ?? {};
        limit = Math.min(limit * 2, BATCH);
        if (!(await batch.more)) break;
      } catch (error) {
        const [row] = rows;
        if (row === undefined) throw error;
        if (rows.length > 1) {
          // One of them: the batch is halved until it is found, so that only the bad one waits.
          limit = Math.ceil(rows.length / 2);
          continue;
        }
        failure = error;
        if (!(await putOff(context, options.tasks, at, { row, attempts: row.attempts + 1, epoch: null, error }))) break;
      }
    }
    if (failure !== undefined) throw failure;
    return { tasks: count, ...last };
  };
}

function outcomeAt(outcomes: readonly TaskOutcome[], n: number): TaskOutcome {
  const outcome = outcomes[n];
  if (outcome !== undefined) return outcome;
  throw new AppError("INTERNAL", "permanent", "The handler returned fewer outcomes than it was given tasks.");
}

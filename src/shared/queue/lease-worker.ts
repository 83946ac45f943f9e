import { isOverdue } from "#shared/db/transact-within.ts";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import { createTaskDecoder } from "./decode-task.ts";
import { HeldLane } from "./held-lane.ts";
import { type LaneName, leaseLane, type TaskRow } from "./lane-rows.ts";
import { runStep, type StepResult } from "./lane-step.ts";
import type { Task, TaskOutcome, WorkerOptions } from "./queue.ts";
import { overdue, putOff, readAhead, transact, type WorkerContext } from "./worker-context.ts";

type LeaseOptions = Extract<WorkerOptions, { mode: "lease" }>;

interface Begun {
  epoch: number;
  row: TaskRow;
  task: Task;
  first: StepResult<unknown>;
}

/** One visit to a lane: its tasks one after the other under one lease, until nothing may be done in it. */
class LaneVisit {
  #held: HeldLane | undefined;
  #last: TaskOutcome = {};
  #count = 0;
  #failure: unknown;

  constructor(
    private readonly context: WorkerContext,
    private readonly options: LeaseOptions,
    private readonly decode: ReturnType<typeof createTaskDecoder>,
    private readonly at: LaneName,
  ) {}

  async run(): Promise<TaskOutcome> {
    try {
      while (this.#held?.released !== true && (await this.#next())) {
        // On to the next task.
      }
    } finally {
      this.#held?.end();
    }
    if (this.#failure !== undefined) throw this.#failure;
    return { tasks: this.#count, ...this.#last };
  }

  /** Whether there may be more to do. */
  async #next(): Promise<boolean> {
    const startedAtMs = this.context.clock.monotonicMs();
    let row: TaskRow | undefined;
    try {
      const begun = await this.#begin((found) => {
        row = found;
      });
      if (begun === undefined) return false;
      const held = (this.#held ??= new HeldLane(this.context, { ...this.at, epoch: begun.epoch }, startedAtMs));
      held.begin(begun.row);
      await held.settle(begun.first);
      await this.#handle(held, begun);
      this.#count += 1;
      this.#last = held.outcomeOf(begun.row) ?? {};
      return true;
    } catch (error) {
      if (isOverdue(error) && row !== undefined) return this.#overdue(row, error);
      if (this.#held?.isLoss(error) === true || this.#held?.signal.aborted === true) {
        const { epoch } = this.#held;
        this.context.log.warn({ ...this.at, epoch, error: messageOf(error) }, "A lane was lost to another worker");
        this.#last = { state: "lost" };
        return false;
      }
      if (row === undefined) throw error;
      this.#failure = error;
      return putOff(this.context, this.options.tasks, this.at, {
        row,
        attempts: row.attempts,
        epoch: this.#held?.epoch ?? null,
        error,
      });
    }
  }

  /**
   * Leaves the lane to its lease, which nobody extends any more. The handler may go on; it writes nothing once the next
   * epoch has begun.
   */
  async #overdue(row: TaskRow, error: unknown): Promise<false> {
    const epoch = this.#held?.epoch ?? null;
    this.#held?.giveUp();
    this.#failure = error;
    await putOff(this.context, this.options.tasks, this.at, { row, attempts: row.attempts, epoch, error });
    return false;
  }

  /** One commit: the lease, the count of the attempt, and the task's first step. */
  #begin(seen: (row: TaskRow) => void): Promise<Begun | undefined> {
    const { owner, leaseMs } = this.context;
    return transact(this.context, this.at, async (tx) => {
      const lease = { owner, leaseMs, epoch: this.#held?.epoch ?? null };
      const leasing = leaseLane(tx, this.at, lease);
      const reading = readAhead(this.options, tx, this.at.lane);
      const leased = await leasing;
      if (leased === undefined) return undefined;
      seen(leased.row);
      const task = this.decode(leased.row, leased.row.attempts);
      const first = await runStep(tx, this.at, async (laneTx) => this.options.first(laneTx, task, await reading));
      return { ...leased, task, first };
    });
  }

  async #inTime(handled: Promise<void>, { type }: Task): Promise<void> {
    const { clock } = this.context;
    const deadlineMs = this.options.tasks.find((one) => one.type === type)?.deadlineMs ?? DEADLINE_MS;
    const late = Promise.withResolvers<never>();
    const callOff = clock.after(deadlineMs, () => late.reject(overdue(this.at, deadlineMs)));
    await Promise.race([handled, late.promise]).finally(callOff);
  }

  async #handle(held: HeldLane, { row, task, first }: Begun): Promise<void> {
    if (held.outcomeOf(row) !== undefined) return;
    try {
      await this.#inTime(this.options.handle(held, task, first.value), task);
    } catch (error) {
      if (held.outcomeOf(row) === undefined) throw error;
      this.context.log.warn({ ...this.at, taskId: row.id, err: error }, "A handler failed after its task was settled");
    }
    if (held.outcomeOf(row) !== undefined) return;
    throw new AppError(
      "INTERNAL",
      "permanent",
      "The handler neither completed its task nor said when to go on with it.",
    );
  }
}

/** How long a handler may take where its task's type does not say: a venue may be asked several times. */
const DEADLINE_MS = 120_000;

/** Works lanes under a lease. Effects may be outside. */
export function createLeaseRun(context: WorkerContext, options: LeaseOptions) {
  const decode = createTaskDecoder(options.tasks);
  return (lane: string): Promise<TaskOutcome> =>
    new LaneVisit(context, options, decode, { queue: options.queue, lane }).run();
}

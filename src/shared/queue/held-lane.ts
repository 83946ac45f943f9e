import type { Tx } from "#shared/db/db.ts";
import { type AppError, fenced, hasCode } from "#shared/errors/app-error.ts";
import type { HeldLease } from "#shared/leader/lease-keeper.ts";
import { holdLane, type LeasedName, type TaskRow } from "./lane-rows.ts";
import { runStep, type StepResult } from "./lane-step.ts";
import type { LaneTx, LeasedLane, TaskOutcome } from "./queue.ts";
import type { WorkerContext } from "./worker-context.ts";

/** A lane under a lease of this worker. */
export class HeldLane implements LeasedLane {
  readonly queue: string;
  readonly lane: string;
  readonly epoch: number;
  /** The last step has given the lane back in its commit. */
  released = false;
  readonly #lease: HeldLease<LeasedName>;
  readonly #lostSignal = new AbortController();
  /** The transactions of steps under way. */
  readonly #steps = new Set<Tx>();
  #isGivenUp = false;
  /** What the tasks have come to, by their ids. */
  readonly #outcomes = new Map<string, TaskOutcome>();

  constructor(
    private readonly context: WorkerContext,
    at: LeasedName,
    takenAtMs: number,
  ) {
    this.queue = at.queue;
    this.lane = at.lane;
    this.epoch = at.epoch;
    this.#lease = context.keeper.hold(at, takenAtMs);
    this.#lease.signal.addEventListener("abort", () => {
      if (!this.released) this.#lostSignal.abort();
    });
  }

  get signal(): AbortSignal {
    return this.#lostSignal.signal;
  }

  async step<T>(body: (tx: LaneTx) => Promise<T>): Promise<T> {
    if (this.released || this.signal.aborted) throw this.#lost();
    let begun: Tx | null = null;
    const result = await this.context.db
      .transaction(async (tx) => {
        // It has waited for its connection.
        if (this.#isGivenUp) throw this.#lost();
        begun = tx;
        this.#steps.add(tx);
        if (!(await holdLane(tx, this, this.epoch))) throw this.#lost();
        return runStep(tx, this, body);
      })
      .catch((error: unknown) => {
        if (this.isLoss(error)) this.#lease.end();
        throw error;
      })
      .finally(() => {
        if (begun !== null) this.#steps.delete(begun);
      });
    await this.settle(result);
    return result.value;
  }

  /** Takes in what a committed step decided. */
  async settle({ done, later, more }: StepResult<unknown>): Promise<void> {
    for (const { id, outcome } of done) this.#outcomes.set(id, outcome);
    for (const { id, delayMs } of later) {
      this.#outcomes.set(id, { retryInMs: delayMs });
      this.context.wakeLater(this, delayMs, 5);
    }
    if (more !== undefined && !(await more)) this.end();
  }

  /** A task is begun, perhaps again: what it came to before does not count. */
  begin(row: TaskRow): void {
    this.#outcomes.delete(row.id);
  }

  /** What a task came to; undefined: it is still to be done. */
  outcomeOf(row: TaskRow): TaskOutcome | undefined {
    return this.#outcomes.get(row.id);
  }

  /** Whether an error says that the lane is someone else's now. */
  isLoss(error: unknown): boolean {
    return hasCode(error, "FENCED") && error.details["role"] === this.#role;
  }

  /**
   * Gives the lease up though its handler may go on. A step that is under way is taken back, later ones are refused, and the
   * lease runs out.
   */
  giveUp(): void {
    this.#isGivenUp = true;
    for (const tx of this.#steps) tx.takeBack(this.#lost());
    this.#lease.end();
  }

  /** Nothing more is done under the lease. */
  end(): void {
    this.released = true;
    this.#lease.end();
  }

  get #role(): string {
    return `lane:${this.queue}:${this.lane}`;
  }

  #lost(): AppError {
    return fenced(this.#role);
  }
}

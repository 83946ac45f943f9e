import type { Logger } from "pino";
import type { Running } from "#shared/bus/bus.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db, Tx } from "#shared/db/db.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { createLeaseKeeper, type HeldLease } from "#shared/leader/lease-keeper.ts";
import { createFailingTasks, type FailingTasks } from "./failing-tasks.ts";
import {
  extendLanes,
  hasOpenTask,
  hasWork,
  type LaneName,
  type LeasedName,
  lanesWithOpenTask,
  readBacklog,
} from "./lane-rows.ts";
import { createLeaseRun } from "./lease-worker.ts";
import { addTask, writePending } from "./pending-writes.ts";
import type {
  DeadTask,
  NewTask,
  QueueBacklog,
  TaskQueue,
  TaskType,
  WakeInfo,
  Wakeups,
  WorkerOptions,
} from "./queue.ts";
import { sweepAgainAndAgain } from "./sweeper.ts";
import { createTransactionRun } from "./transaction-worker.ts";
import { WorkedQueue } from "./worked-queue.ts";
import type { WorkerContext } from "./worker-context.ts";

export interface TaskQueueOptions {
  db: Db;
  wakeups: Wakeups;
  clock: Clock;
  log: Logger;
  /** How long a lane outlives its worker. Default 4,000 ms. */
  leaseMs?: number;
  /** How often lanes are looked for that no wake-up has reached. Default 1,000 ms; also how long a wake-up may take. */
  sweepMs?: number;
  /** A task that has failed so often in a row is dead. Default 30: some eleven minutes of growing pauses, or 25. */
  deadAfterTries?: number;
  /** How long a handler's transaction may take. Default 10,000 ms. */
  deadlineMs?: number;
  /** Called in the transaction that a task dies in, last. */
  onDead?: (tx: Tx, dead: DeadTask) => Promise<void>;
}

const DEFAULT_PRIORITY = 5;
const DEAD_AFTER_TRIES = 30;
const DEADLINE_MS = 10_000;
const WAKES = Symbol("lanes to wake after the commit");

/** A timer is set a little late, so that the task is due when its lane is woken. */
const TIMER_MARGIN_MS = 2;

class RowTaskQueue implements TaskQueue {
  readonly failing: FailingTasks;
  readonly #closing = new AbortController();
  readonly #context: WorkerContext;
  readonly #workers = new Set<Running>();
  readonly #worked = new Map<string, WorkedQueue>();
  readonly #sweepMs: number;
  #sweeping: Promise<void> | undefined;

  constructor(private readonly options: TaskQueueOptions) {
    const { db, clock, log, leaseMs = 4_000 } = options;
    this.#sweepMs = options.sweepMs ?? 1_000;
    this.failing = createFailingTasks(db, (tx, at, priority) => this.#wakeAfterCommit(tx, at, { priority }));
    this.#context = {
      db,
      clock,
      log,
      leaseMs,
      deadAfterTries: options.deadAfterTries ?? DEAD_AFTER_TRIES,
      deadlineMs: options.deadlineMs ?? DEADLINE_MS,
      onDead: options.onDead,
      owner: crypto.randomUUID(),
      keeper: createLeaseKeeper({ clock, log, leaseMs, extend: (leases) => this.#extend(leases, leaseMs) }),
      wakeLater: (at, delayMs, priority) => void this.#wakeLater(at, delayMs, priority),
    };
  }

  enqueue(tx: Tx, task: NewTask): Promise<string> {
    try {
      return Promise.resolve(this.#enqueue(tx, task));
    } catch (failure) {
      // It may be left without an await: no statement has failed that the transaction would fail with.
      tx.beforeCommit(Symbol("refused task"), () => Promise.reject(failure));
      const refused = Promise.reject(failure);
      refused.catch(() => undefined);
      return refused;
    }
  }

  #enqueue(tx: Tx, { task, lane, payload, priority = DEFAULT_PRIORITY, traceparent }: NewTask): string {
    const checked = task.payload.safeParse(payload);
    if (!checked.success) {
      const message = `The payload of a task "${task.type}" is not what its contract says.`;
      throw new AppError("INVALID_INPUT", "permanent", message, { cause: checked.error });
    }
    const id = Bun.randomUUIDv7();
    const row = { id, queue: task.queue, lane, priority, type: task.type, payload, traceparent: traceparent ?? null };
    addTask(tx, row, this.#sweepMs);
    if (task.locksAtOnce === true) writePending(tx);
    const info: WakeInfo = { priority, taskId: id, type: task.type };
    if (traceparent !== undefined) info.traceparent = traceparent;
    this.#wakeAfterCommit(tx, { queue: task.queue, lane }, info);
    return id;
  }

  isWaiting(tx: Tx, { queue, type }: TaskType, lane: string): Promise<boolean> {
    writePending(tx);
    return hasOpenTask(tx, { queue, lane }, type);
  }

  hasOpen(tx: Tx, at: { queue: string; lane: string }): Promise<boolean> {
    writePending(tx);
    return hasWork(tx, at);
  }

  waitingLanes(tx: Tx, { queue, type }: TaskType, part: Record<string, unknown>): Promise<string[]> {
    writePending(tx);
    return lanesWithOpenTask(tx, { queue, type, part });
  }

  work(options: WorkerOptions): Running {
    const run =
      options.mode === "lease" ? createLeaseRun(this.#context, options) : createTransactionRun(this.#context, options);
    const { queue, concurrency } = options;
    const worked = new WorkedQueue(concurrency, run);
    const listening = this.options.wakeups.listen(queue, concurrency, async (lane, isAgain) =>
      isAgain && !(await hasWork(this.#context.db, { queue, lane })) ? { tasks: 0 } : worked.wokenRun(lane),
    );
    this.#worked.set(queue, worked);
    this.#sweeping ??= sweepAgainAndAgain(
      { ...this.options, everyMs: this.#sweepMs, queues: this.#worked },
      this.#closing.signal,
    );
    const running: Running = {
      ready: listening.ready,
      close: async () => {
        this.#workers.delete(running);
        this.#worked.delete(queue);
        await listening.close();
        await worked.idle();
      },
    };
    this.#workers.add(running);
    return running;
  }

  backlog(): Promise<QueueBacklog[]> {
    return readBacklog(this.options.db);
  }

  ping(): Promise<void> {
    return this.options.wakeups.ping();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.close()));
    this.#closing.abort();
    await this.#sweeping;
    this.#context.keeper.close();
    await this.options.wakeups.close();
  }

  /** One wake-up a lane and transaction, with the most urgent task's priority. */
  #wakeAfterCommit(tx: Tx, { queue, lane }: LaneName, info: WakeInfo): void {
    let wakes = tx.scope.get(WAKES) as Map<string, LaneName & { info: WakeInfo }> | undefined;
    if (wakes === undefined) {
      const collected: Map<string, LaneName & { info: WakeInfo }> = new Map();
      tx.scope.set(WAKES, collected);
      tx.afterCommit(() => {
        for (const wake of collected.values()) this.options.wakeups.wake(wake.queue, wake.lane, wake.info);
      });
      wakes = collected;
    }
    const key = JSON.stringify([queue, lane]);
    const known = wakes.get(key);
    if (known === undefined || info.priority < known.info.priority) wakes.set(key, { queue, lane, info });
  }

  async #wakeLater({ queue, lane }: LaneName, delayMs: number, priority: number): Promise<void> {
    await this.options.clock.sleep(delayMs + TIMER_MARGIN_MS, this.#closing.signal);
    if (!this.#closing.signal.aborted) this.options.wakeups.wake(queue, lane, { priority });
  }

  async #extend(leases: readonly HeldLease<LeasedName>[], leaseMs: number): Promise<HeldLease<LeasedName>[]> {
    const rows = await extendLanes(
      this.options.db,
      leaseMs,
      leases.map(({ key }) => key),
    );
    const extended = new Set(rows.map(({ queue, lane, epoch }) => JSON.stringify([queue, lane, epoch])));
    return leases.filter(({ key }) => extended.has(JSON.stringify([key.queue, key.lane, key.epoch])));
  }
}

/** Tasks as rows, done lane by lane by workers that the wake-ups call. See queue.ts. Closes `wakeups` when it is closed. */
export function createTaskQueue(options: TaskQueueOptions): TaskQueue {
  return new RowTaskQueue(options);
}

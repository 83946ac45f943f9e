import type { z } from "zod";
import type { Running } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import type { FailingTasks } from "./failing-tasks.ts";

/** A kind of task: the queue it waits in, its payload and, for readers, what its lane is. */
export interface TaskType<Payload extends z.ZodType = z.ZodType, Type extends string = string> {
  /** The queue's name, also BullMQ's: "risk-manager". */
  readonly queue: string;
  readonly type: Type;
  readonly payload: Payload;
  readonly lane: string;
  /**
   * What becomes of the later tasks of a lane, of the same priority, when one is dead: they wait for a person, or go on
   * without it. What moves money waits.
   */
  readonly onDead: "block" | "skip";
  /** How long a handler may take for one in lease mode, in milliseconds; past it the lane is given up. Default two minutes. */
  readonly deadlineMs?: number;
  /**
   * Its lane is locked as it is enqueued, not only at the commit. Needed where who enqueues then locks what the worker locks
   * after the lane: so both lock in one order.
   */
  readonly locksAtOnce?: true;
  /** The session that a task is done for, by its payload. */
  readonly sessionOf?: (payload: z.infer<Payload>) => string;
}

export interface NewTask {
  task: TaskType;
  /** Tasks of a lane are done one after the other, in order of their number. */
  lane: string;
  payload: unknown;
  /** Lower goes first among the lanes that wait. 0: cancels and protection, 5: the rest. */
  priority?: number;
  traceparent?: string;
}

/** A waiting task as a worker sees it; the payload is validated. */
export interface Task<Payload = unknown, Type extends string = string> {
  id: string;
  queue: string;
  type: Type;
  lane: string;
  /** Its number in the lane, dense from 1. */
  seq: number;
  payload: Payload;
  /** How often a worker has begun it, this time included. */
  attempts: number;
  createdAtMs: number;
  traceparent?: string;
}

/** The tasks of a type, or of several that `type` tells apart. */
export type TaskOf<T extends TaskType> =
  T extends TaskType<infer Payload, infer Type> ? Task<z.infer<Payload>, Type> : never;

/** What a task came to; shown on the board. */
export type TaskOutcome = Record<string, string | number | boolean | null>;

/**
 * A lane held under lease. Each `step` is one transaction that first checks the lane's epoch (FENCED when another worker
 * has taken it over). Tasks are finished inside a step, together with the effect they stand for.
 */
export interface LeasedLane {
  readonly queue: string;
  readonly lane: string;
  readonly epoch: number;
  /** Aborts when the lease is lost. */
  readonly signal: AbortSignal;
  step<T>(body: (tx: LaneTx) => Promise<T>): Promise<T>;
}

export interface LaneTx extends Tx {
  /** The task is done and leaves the lane. */
  complete(task: Task, outcome: TaskOutcome): void;
  /** The task stays open, and its lane is woken again so many milliseconds from now (Postgres clock). */
  retryIn(task: Task, delayMs: number): void;
}

export type WorkerOptions<T extends TaskType = TaskType, Ahead = unknown, First = unknown> = {
  queue: string;
  tasks: readonly T[];
  /** How many lanes at once. */
  concurrency: number;
  /**
   * Reads what the lane's first task needs, in its transaction and in one round trip with the lane's lock. It sends one
   * statement, which runs behind the lock and finds the task by `queue.doable`. It is asked also where the lane then is
   * empty or someone else's.
   */
  ahead?: (tx: Tx, lane: string) => Promise<Ahead>;
} & (
  | {
      /** Effects in Postgres alone: all waiting tasks of a lane in one transaction with the lane's row locked; a return completes them all. */
      mode: "transaction";
      handle(tx: Tx, tasks: readonly TaskOf<T>[], ahead: Ahead | undefined): Promise<readonly TaskOutcome[]>;
    }
  | {
      /**
       * Effects outside: the lane is leased, the handler works its first waiting task in steps. `first` runs in the
       * transaction that takes the lease (so the lease costs no commit of its own); `handle` gets what it returned, and is
       * not called when `first` has completed the task or put it off.
       */
      mode: "lease";
      first(tx: LaneTx, task: TaskOf<T>, ahead: Ahead | undefined): Promise<First>;
      handle(lane: LeasedLane, task: TaskOf<T>, first: First): Promise<void>;
    }
);

/** A task that nobody tries again, and why. */
export interface DeadTask extends Pick<Task, "id" | "queue" | "type" | "lane" | "seq"> {
  error: string;
  /** Whether the later ones of its lane wait. */
  holds: boolean;
  sessionId: string | null;
}

/** What waits in a queue. */
export interface QueueBacklog {
  queue: string;
  /** Tasks that are not done, nor dead; those under way among them. */
  open: number;
  /** When the oldest of them was made, UTC epoch milliseconds by the clock of Postgres. */
  oldestCreatedAtMs: number;
}

/** Tasks are rows, written in the transaction that wants them; a wake-up follows the commit. */
export interface TaskQueue {
  /**
   * Resolves with the task's id, at once. All tasks of a transaction are written together when its body is done, which locks
   * the rows of their lanes until it ends; those of one lane keep their order.
   */
  enqueue(tx: Tx, task: NewTask): Promise<string>;
  /** Whether a task of this type is open or dead in a lane, as the transaction sees it. */
  isWaiting(tx: Tx, task: TaskType, lane: string): Promise<boolean>;
  /** Whether a task is open in a lane, as the transaction sees it. */
  hasOpen(tx: Tx, at: { queue: string; lane: string }): Promise<boolean>;
  /** The lanes with an open or dead task of this type whose payload contains `part`, as the transaction sees it. */
  waitingLanes(tx: Tx, task: TaskType, part: Record<string, unknown>): Promise<string[]>;
  work<T extends TaskType, Ahead = unknown, First = unknown>(options: WorkerOptions<T, Ahead, First>): Running;
  /** What waits, by queue; one where nothing waits is left out. */
  backlog(): Promise<QueueBacklog[]>;
  /** The tasks that failed, for a person. */
  readonly failing: FailingTasks;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** What a wake-up tells the board and the adapter. */
export interface WakeInfo {
  priority: number;
  taskId?: string;
  type?: string;
  traceparent?: string;
  /** The sweeper found the lane waiting: an earlier wake-up that seems to be under way must not swallow this one. */
  swept?: boolean;
}

/** Does what waits in a lane. `isAgain`: it was called for this wake-up before, and more may have come since. */
export type RunLane = (lane: string, isAgain: boolean) => Promise<TaskOutcome>;

/** The adapter's port: tells some worker that a lane has work. May lose and repeat; the rows and the sweeper carry what it loses. */
export interface Wakeups {
  /** Called after commits; must not throw. */
  wake(queue: string, lane: string, info: WakeInfo): void;
  /** Calls `run` for a woken lane, at most `concurrency` at a time in this process; a wake-up during a run is not lost. Its result is shown on the board. */
  listen(queue: string, concurrency: number, run: RunLane): Running;
  /** A queue's wake-ups do not arrive: forgets all that the carrier holds of it, whatever that is. Best effort; never throws. */
  reset(queue: string): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

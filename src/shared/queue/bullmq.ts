import { type Job, Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import type { Logger } from "pino";
import type { Running } from "#shared/bus/bus.ts";
import { backoffMs, RECONNECT } from "#shared/clock/backoff.ts";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import { LaneRuns } from "./lane-runs.ts";
import type { RunLane, TaskOutcome, WakeInfo, Wakeups } from "./queue.ts";
import { type Hint, isName, RedisHints } from "./redis-hints.ts";

export interface BullmqOptions {
  url: string;
  /** All keys begin with it. */
  prefix: string;
  log?: Logger;
  /** After how long without a job, while hints are followed, a queue's jobs are taken to be stuck. Default 10,000 ms. */
  noJobsMs?: number;
}

interface WakeJob {
  lane: string;
  /** Which wake-up it is: its hint has the same. */
  wakeId: string;
  taskId?: string;
  traceparent?: string;
}

interface NewJob {
  queue: string;
  data: WakeJob;
  info: WakeInfo;
}

function jobOf(lane: string, wakeId: string, { taskId, traceparent }: WakeInfo): WakeJob {
  const data: WakeJob = { lane, wakeId };
  if (taskId !== undefined) data.taskId = taskId;
  if (traceparent !== undefined) data.traceparent = traceparent;
  return data;
}

/** Jobs come so much later than their hints. */
const JOBS_AFTER_MS = 20;
const RESET_DEADLINE_MS = 5_000;
/** Wake-ups on their way to Redis at most; what is above is left to the sweeper. */
const MAX_IN_FLIGHT = 1_000;
const PING_DEADLINE_MS = 1_000;
const CLOSE_DEADLINE_MS = 2_000;
/** How long a worker waits for a job at a time, in seconds, and how much later an answer may come. */
const BLOCK_S = 2;
const SILENT_MS = 2_000;
const LOCK_MS = 4_000;
const STALLED_EVERY_MS = 2_000;
/** The same trouble is logged no more often. */
const WARN_EVERY_MS = 5_000;

/**
 * The options of the connections that BullMQ makes for itself: its own instances would keep the process alive. A silent one
 * is made anew, and a wake-up that was lost with it is swept. Once
 * `closed` is aborted nothing is connected anew: with Redis away a closed client would go on trying for ever.
 */
export function connectionOf(url: string, closed: AbortSignal, enableOfflineQueue: boolean) {
  const retryStrategy = (times: number) => (closed.aborted ? null : backoffMs(RECONNECT, times));
  const socketTimeout = BLOCK_S * 1_000 + SILENT_MS;
  // A master that was demoted closes no connection: connect again and find the new one.
  const reconnectOnError = (error: Error) => error.message.includes("READONLY");
  const limits = { maxRetriesPerRequest: null, connectTimeout: 2_000, socketTimeout };
  return { url, retryStrategy, reconnectOnError, enableOfflineQueue, ...limits };
}

/** Resolves with undefined when it takes longer. */
function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What is none of ours is emptied: what is done is kept for a while. */
async function workJob(runs: LaneRuns, job: Job<WakeJob>): Promise<TaskOutcome | null> {
  const { lane, wakeId } = job.data;
  if (isName(lane) && isName(wakeId)) return await runs.job(lane, wakeId);
  await job.updateData({ lane: "", wakeId: "" });
  return null;
}

class BullmqWakeups implements Wakeups {
  readonly #queues = new Map<string, Queue>();
  readonly #workers = new Set<Running>();
  readonly #prefix: string;
  /** Aborts when no wake-up is taken any more. */
  readonly #closed = new AbortController();
  /** Aborts when no connection is made anew. */
  readonly #connecting = new AbortController();
  readonly #hints: RedisHints;
  /** The queues that this process works. */
  readonly #runs = new Map<string, LaneRuns>();
  /** Queues whose keys are being removed. */
  readonly #emptying = new Set<string>();
  /** When each warning was last logged. */
  readonly #warnedAtMs = new Map<string, number>();
  readonly #waiting: NewJob[] = [];
  #adding: ReturnType<typeof setTimeout> | undefined;
  /** Ends with the batches that are under way. */
  #added: Promise<unknown> = Promise.resolve();
  #inFlight = 0;
  #lost = 0;

  constructor(private readonly options: BullmqOptions) {
    this.#prefix = `${options.prefix}:queue`;
    this.#hints = new RedisHints({ url: options.url, keyOf: (queue) => `${this.#prefix}:${queue}:hints` });
  }

  wake(queue: string, lane: string, info: WakeInfo): void {
    if (this.#closed.signal.aborted) return;
    const wakeId = crypto.randomUUID();
    // Not at once: who wakes has not returned yet. A swept lane's hint and job had not come.
    if (info.swept !== true) queueMicrotask(() => this.#hint(queue, { lane, wakeId }, info));
    if (this.#inFlight >= MAX_IN_FLIGHT) return;
    this.#inFlight += 1;
    const job = { queue, data: jobOf(lane, wakeId, info), info };
    if (info.swept === true) {
      void this.#addTo(queue, [job]);
      return;
    }
    this.#waiting.push(job);
    this.#adding ??= setTimeout(() => this.#addWaiting(), JOBS_AFTER_MS);
  }

  #hint(queue: string, hint: Hint, { priority }: WakeInfo): void {
    if (this.#closed.signal.aborted || this.#runs.get(queue)?.hint(hint.lane, hint.wakeId) === true) return;
    this.#hints.push(queue, hint, priority === 0);
  }

  /** In one pipeline: each job by itself takes its time from the very work that its hint has begun. */
  #addWaiting(): void {
    clearTimeout(this.#adding);
    this.#adding = undefined;
    const byQueue = [...Map.groupBy(this.#waiting.splice(0), ({ queue }) => queue)];
    this.#added = Promise.all([this.#added, ...byQueue.map(([queue, jobs]) => this.#addTo(queue, jobs))]);
  }

  /** Never rejects. */
  async #addTo(name: string, jobs: readonly NewJob[]): Promise<void> {
    try {
      const queue = this.#queueOf(name);
      for (const { data, info } of jobs) {
        // A swept wake-up is a job of its own: the one that the lane's mark names may be a dead worker's, or gone.
        if (info.swept === true) await queue.removeDeduplicationKey(data.lane);
      }
      await queue.addBulk(
        jobs.map(({ data, info: { type, priority, swept } }) => {
          // One given while the lane's job is active must not be lost: it becomes a job when that one ends.
          const deduplication = { id: data.lane, keepLastIfActive: true };
          const opts = swept === true ? { priority } : { priority, deduplication };
          return { name: type ?? (swept === true ? "swept" : "wake"), data, opts };
        }),
      );
      this.#lost = 0;
    } catch (error) {
      this.#lost += 1;
      if (this.#lost === 1) this.#warn("A wake-up was lost; the sweeper repeats it", error);
    } finally {
      this.#inFlight -= jobs.length;
    }
  }

  listen(queue: string, concurrency: number, run: RunLane): Running {
    const closed = new AbortController();
    const onNoJobs = () => {
      this.options.log?.warn({ queue }, "Jobs of a queue do not arrive; it is emptied, and hints wake its lanes");
      void this.reset(queue);
    };
    const nowMs = () => performance.now();
    const onRoom = (jobs: number) => {
      worker.concurrency = jobs;
    };
    // Its job may find nothing more to do, and then says nothing of it.
    const told: RunLane = (lane, isAgain) =>
      run(lane, isAgain).catch((error: unknown) => {
        this.#warn("Work of a queue failed and is tried again", error, queue);
        throw error;
      });
    const own = { concurrency, run: told, onRoom, onNoJobs, nowMs };
    const { noJobsMs } = this.options;
    const runs = new LaneRuns(noJobsMs === undefined ? own : { ...own, noJobsMs });
    const worker = new Worker<WakeJob, TaskOutcome | null>(queue, (job) => workJob(runs, job), {
      connection: connectionOf(this.options.url, closed.signal, true),
      prefix: this.#prefix,
      concurrency,
      drainDelay: BLOCK_S,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_EVERY_MS,
      maxStalledCount: 3,
      // Nobody of ours limits a queue: whoever did it does not hold its workers back for longer.
      maximumRateLimitDelay: 1_000,
      runRetryDelay: 500,
      removeOnComplete: { count: 1_000 },
      removeOnFail: { count: 1_000 },
    });
    worker.on("error", (error) => this.#workerFailed(queue, error));
    this.#runs.set(queue, runs);
    const hinted = this.#hints.listen(queue, runs, closed.signal);
    const running: Running = {
      ready: worker.waitUntilReady().then(() => undefined),
      close: async () => {
        this.#workers.delete(running);
        if (this.#runs.get(queue) === runs) this.#runs.delete(queue);
        closed.abort();
        // From here on no job is fetched. With Redis away this would never end, hence the deadline. Runs that have begun are
        // waited for.
        const closing = Promise.all([worker.close().catch(() => undefined), hinted]);
        await runs.close();
        await within(closing, CLOSE_DEADLINE_MS);
      },
    };
    running.ready.catch(() => {
      // Closed before it was ready.
    });
    this.#workers.add(running);
    return running;
  }

  /** A key of another type heals by itself for a lane that is swept, and not for a queue that rests. */
  #workerFailed(queue: string, error: Error): void {
    if (!error.message.includes("WRONGTYPE")) {
      this.#warn("A queue is not read; it goes on by itself", error, queue);
      return;
    }
    this.#warn("A queue has keys that somebody else has written; it is emptied", error, queue);
    if (this.#emptying.has(queue)) return;
    this.#emptying.add(queue);
    void this.reset(queue).finally(() => this.#emptying.delete(queue));
  }

  async reset(queue: string): Promise<void> {
    const emptied = this.#removeKeys(queue).catch((error: unknown) =>
      this.#warn("What Redis holds of a queue could not be removed; it is tried again", error),
    );
    await within(emptied, RESET_DEADLINE_MS);
  }

  async #removeKeys(queue: string): Promise<void> {
    const redis = new Redis(this.options.url, {
      commandTimeout: PING_DEADLINE_MS,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
    });
    redis.on("error", () => undefined);
    try {
      const pattern = `${`${this.#prefix}:${queue}:`.replaceAll(/[\\?*[\]]/g, "\\$&")}*`;
      let cursor = "0";
      do {
        const [next, keys] = await redis.scan(cursor, "MATCH", pattern, "COUNT", 1_000);
        if (keys.length > 0) await redis.unlink(...keys);
        cursor = next;
      } while (cursor !== "0");
    } finally {
      redis.disconnect();
    }
  }

  async ping(): Promise<void> {
    const asked = this.#queueOf("ping")
      .getVersion()
      .then(() => true);
    const answered = await within(
      asked.catch(() => undefined),
      PING_DEADLINE_MS,
    );
    if (answered === undefined) throw new AppError("BROKER_UNAVAILABLE", "outage", "Redis does not answer the queue.");
  }

  async close(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.close()));
    this.#closed.abort();
    this.#addWaiting();
    await within(this.#added, CLOSE_DEADLINE_MS);
    this.#connecting.abort();
    this.#hints.close();
    const queues = [...this.#queues.values()];
    await Promise.all(
      queues.map((queue) =>
        within(
          queue.close().catch(() => undefined),
          1_000,
        ),
      ),
    );
  }

  #queueOf(name: string): Queue {
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const made = new Queue(name, {
      connection: connectionOf(this.options.url, this.#connecting.signal, false),
      prefix: this.#prefix,
    });
    made.on("error", (error) => this.#warn("The queue's connection to Redis failed; it goes on by itself", error));
    this.#queues.set(name, made);
    return made;
  }

  /** While Redis is away BullMQ says so many times a second, for each worker. */
  #warn(message: string, error: unknown, queue?: string): void {
    const nowMs = performance.now();
    const what = `${message} ${queue ?? ""}`;
    if (nowMs - (this.#warnedAtMs.get(what) ?? Number.NEGATIVE_INFINITY) < WARN_EVERY_MS) return;
    this.#warnedAtMs.set(what, nowMs);
    this.options.log?.warn({ queue, error: messageOf(error) }, message);
  }
}

/**
 * Wake-ups as BullMQ jobs, one for each waiting lane. What a job returns is the outcome that the board shows. A hint, which is
 * faster, goes before each job.
 */
export function createBullmqWakeups(options: BullmqOptions): Wakeups {
  return new BullmqWakeups(options);
}

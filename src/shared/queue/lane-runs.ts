import type { RunLane, TaskOutcome } from "./queue.ts";

/** What a run came to. */
type Ended = { outcome: TaskOutcome } | { failure: unknown };

/** What the runs of a queue's lanes are made from. */
export interface LaneRunsOptions {
  /** Lanes at once. */
  concurrency: number;
  run: RunLane;
  /** How many jobs there is room for besides the runs that hints began, told with each change; one at least. */
  onRoom: (jobs: number) => void;
  /** Told when hints were followed for long and no job came: jobs do not arrive. */
  onNoJobs: () => void;
  nowMs: () => number;
  /** How long that is. Default 10,000 ms. */
  noJobsMs?: number;
}

/** So many hints at least without a job: one that other processes have taken is no sign. */
const HINTS_ALONE = 20;
const NO_JOBS_MS = 10_000;
/** For so many wake-ups, the outcome of the run is remembered. */
const MOST_REMEMBERED = 1_000;

/**
 * The runs of a queue's lanes in one process: at most `concurrency` at once, and one a lane. A wake-up comes twice: as a
 * hint, which is fast and may be lost, and as a job, which is slower and is not. Where the hint has begun a run, the job
 * waits for it.
 */
export class LaneRuns {
  readonly #running = new Map<string, Promise<TaskOutcome>>();
  /** Runs that a hint has begun, and whose job has not come yet. */
  readonly #hinted = new Set<string>();
  /** Outcomes of runs that a hint has begun, by wake-up, until the job comes. */
  readonly #ended = new Map<string, Ended>();
  /** Jobs that are here. */
  readonly #jobs = new Set<Promise<TaskOutcome>>();
  /** Hints that were followed while no job was here, and since when. */
  #alone = { hints: 0, sinceMs: 0 };
  #isClosed = false;

  constructor(private readonly options: LaneRunsOptions) {}

  get #isFull(): boolean {
    return this.#running.size >= this.options.concurrency;
  }

  /** Resolves once a lane more may run. */
  async room(): Promise<void> {
    while (this.#isFull) await Promise.race(this.#running.values()).catch(() => undefined);
  }

  /** Follows a hint. False: there is no room. A lane that runs is left to its job, which looks again. */
  hint(lane: string, wakeId: string): boolean {
    if (this.#running.has(lane)) return true;
    if (this.#isFull || this.#isClosed) return false;
    this.#countAlone();
    this.#hinted.add(lane);
    this.#begin(lane, false).then(
      (outcome) => {
        // One that found nothing may have met another process there, and has seen less than the job may see.
        if (outcome["tasks"] !== 0) this.#remember(wakeId, { outcome });
      },
      (failure: unknown) => this.#remember(wakeId, { failure }),
    );
    this.#tellRoom();
    return true;
  }

  /**
   * What a job's lane has come to. Where a hint has begun the lane before, it is looked at once more: while one job waits,
   * further wake-ups of its lane make none.
   */
  job(lane: string, wakeId: string): Promise<TaskOutcome> {
    this.#alone.hints = 0;
    const job = this.#work(lane, wakeId).finally(() => this.#jobs.delete(job));
    this.#jobs.add(job);
    return job;
  }

  /** Begins no run more. Resolves when none is left; a job that waits for room is refused, and its lane swept. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#running.size > 0 || this.#jobs.size > 0) {
      await Promise.allSettled([...this.#running.values(), ...this.#jobs]);
    }
  }

  async #work(lane: string, wakeId: string): Promise<TaskOutcome> {
    if (this.#hinted.delete(lane)) this.#tellRoom();
    while (this.#running.has(lane) || this.#isFull) {
      await (this.#running.get(lane) ?? this.room()).catch(() => undefined);
    }
    const ended = this.#taken(wakeId);
    if (this.#isClosed && ended === undefined) throw new Error("The worker was closed before there was room.");
    const outcome = await this.#begin(lane, ended !== undefined);
    if (outcome["tasks"] !== 0 || ended === undefined) return outcome;
    if ("failure" in ended) throw ended.failure;
    return ended.outcome;
  }

  #begin(lane: string, isAgain: boolean): Promise<TaskOutcome> {
    const outcome = this.options.run(lane, isAgain).finally(() => {
      this.#running.delete(lane);
      if (this.#hinted.delete(lane)) this.#tellRoom();
    });
    this.#running.set(lane, outcome);
    return outcome;
  }

  #tellRoom(): void {
    this.options.onRoom(Math.max(1, this.options.concurrency - this.#hinted.size));
  }

  #countAlone(): void {
    const { nowMs, onNoJobs, noJobsMs = NO_JOBS_MS } = this.options;
    if (this.#jobs.size > 0) return;
    if (this.#alone.hints === 0) this.#alone.sinceMs = nowMs();
    this.#alone.hints += 1;
    if (this.#alone.hints < HINTS_ALONE || nowMs() - this.#alone.sinceMs < noJobsMs) return;
    this.#alone.hints = 0;
    onNoJobs();
  }

  #remember(wakeId: string, ended: Ended): void {
    this.#ended.set(wakeId, ended);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= MOST_REMEMBERED) return;
      this.#ended.delete(oldest);
    }
  }

  #taken(wakeId: string): Ended | undefined {
    const ended = this.#ended.get(wakeId);
    this.#ended.delete(wakeId);
    return ended;
  }
}

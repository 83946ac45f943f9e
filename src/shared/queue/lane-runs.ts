import type { RunLane, TaskOutcome } from "./queue.ts";

/** What a run came to. */
type Ended = { outcome: TaskOutcome } | { failure: unknown };

export interface LaneRunsOptions {
  concurrency: number;
  run: RunLane;
  /** Told when hints were followed for long and no job came: jobs do not arrive. */
  onNoJobs: () => void;
  nowMs: () => number;
  /** How long that is. Default 10,000 ms. */
  noJobsMs?: number;
}

/** So many hints at least without a job: one that other processes have taken is no sign. */
const HINTS_ALONE = 20;
const NO_JOBS_MS = 10_000;
/** Wake-ups of which it is remembered what their runs came to. */
const MOST_REMEMBERED = 1_000;

/**
 * The runs of a queue's lanes in one process: at most `concurrency` at once, one a lane. A wake-up comes twice, as a hint that
 * is fast and may be lost, and as a job that is slower and is not: what the hint has begun the job only waits for.
 */
export class LaneRuns {
  readonly #running = new Map<string, Promise<TaskOutcome>>();
  /** What runs that hints began have come to, by wake-up, until its job comes. */
  readonly #ended = new Map<string, Ended>();
  /** Hints that were followed since a job came last, and since when. */
  #alone = { hints: 0, sinceMs: 0 };

  constructor(private readonly options: LaneRunsOptions) {}

  /** Follows a hint where there is room for it and its lane does not run: else its job does. True: it has. */
  hint(lane: string, wakeId: string): boolean {
    if (this.#running.size >= this.options.concurrency || this.#running.has(lane)) return false;
    this.#countAlone();
    this.#begin(lane, false).then(
      (outcome) => {
        // One that found nothing may have met another process there, and has seen less than the job may see.
        if (outcome["tasks"] !== 0) this.#remember(wakeId, { outcome });
      },
      (failure: unknown) => this.#remember(wakeId, { failure }),
    );
    return true;
  }

  /**
   * What a job's lane comes to. Where its hint has been followed it is looked at again: further wake-ups of a lane become no job
   * while one waits.
   */
  async job(lane: string, wakeId: string): Promise<TaskOutcome> {
    this.#alone.hints = 0;
    while (this.#running.has(lane) || this.#running.size >= this.options.concurrency) {
      const inTheWay = this.#running.get(lane) ?? Promise.race(this.#running.values());
      await inTheWay.catch(() => undefined);
    }
    const ended = this.#taken(wakeId);
    const outcome = await this.#begin(lane, ended !== undefined);
    if (outcome["tasks"] !== 0 || ended === undefined) return outcome;
    if ("failure" in ended) throw ended.failure;
    return ended.outcome;
  }

  /** Resolves when none runs. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running.values());
  }

  #begin(lane: string, isAgain: boolean): Promise<TaskOutcome> {
    const outcome = this.options.run(lane, isAgain).finally(() => this.#running.delete(lane));
    this.#running.set(lane, outcome);
    return outcome;
  }

  #countAlone(): void {
    const { nowMs, onNoJobs, noJobsMs = NO_JOBS_MS } = this.options;
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

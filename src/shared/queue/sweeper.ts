import type { Logger } from "pino";
import { backoffMs } from "#shared/clock/backoff.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db } from "#shared/db/db.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { type LaneName, lanesToWake } from "./lane-rows.ts";
import type { Wakeups } from "./queue.ts";
import type { WorkedQueue } from "./worked-queue.ts";

export interface SweeperOptions {
  db: Db;
  wakeups: Wakeups;
  clock: Clock;
  log: Logger;
  everyMs: number;
  /** The queues that this process works. */
  queues: ReadonlyMap<string, WorkedQueue>;
}

/** Lanes woken in one sweep at most; the rest is woken by the next ones. */
const LIMIT = 500;
/** A lane that was found and is not found again in so many sweeps has been worked. */
const REMEMBERED_SWEEPS = 5;
/** What carries a queue's wake-ups is reset no more often. */
const RESET_EVERY_MS = 10_000;

/**
 * Wakes lanes that the rows say are waiting, due and not leased: a wake-up was lost, a worker has died, or a task was put
 * off until now. Any replica may do it. A lane that is found again is run here, where this process has room: whatever became
 * of the wake-ups, the rows decide what is done.
 */
class Sweeper {
  /** Lanes found before: in which sweep, and how many wake-ups of their queue had arrived by then. */
  readonly #found = new Map<string, { sweep: number; heard: number }>();
  readonly #resetAtMs = new Map<string, number>();
  #sweeps = 0;

  constructor(private readonly options: SweeperOptions) {}

  async sweep(): Promise<void> {
    const { db, wakeups, log, everyMs, queues } = this.options;
    this.#sweeps += 1;
    const lanes = await lanesToWake(db.sql, [...queues.keys()], { limit: LIMIT, againMs: everyMs * 2 });
    for (const { queue, lane, priority } of lanes) {
      if (!this.#wasFound({ queue, lane })) wakeups.wake(queue, lane, { priority, swept: true });
    }
    if (lanes.length > 0) log.info({ lanes: lanes.length }, "Found lanes that wait");
    for (const [key, { sweep }] of this.#found) {
      if (this.#sweeps - sweep > REMEMBERED_SWEEPS) this.#found.delete(key);
    }
  }

  /** Whether the lane was found before. Then it is not woken again: it is run here, or waits for those that run. */
  #wasFound({ queue, lane }: LaneName): boolean {
    const worked = this.options.queues.get(queue);
    if (worked === undefined) return true;
    const key = JSON.stringify([queue, lane]);
    const before = this.#found.get(key);
    this.#found.set(key, { sweep: this.#sweeps, heard: before?.heard ?? worked.heard });
    if (!worked.isFree || (before === undefined && !worked.isDeaf)) return before !== undefined;
    this.#found.delete(key);
    void worked.unwokenRun(lane).then((hadWork) => {
      if (hadWork && (before === undefined || before.heard === worked.heard)) this.#noteDeaf(queue, worked);
    });
    return before !== undefined;
  }

  #noteDeaf(queue: string, worked: WorkedQueue): void {
    const { wakeups, clock, log } = this.options;
    if (!worked.isDeaf) log.warn({ queue }, "Wake-ups of a queue do not arrive; its lanes are run as they are found");
    worked.isDeaf = true;
    const nowMs = clock.monotonicMs();
    if (nowMs - (this.#resetAtMs.get(queue) ?? Number.NEGATIVE_INFINITY) < RESET_EVERY_MS) return;
    this.#resetAtMs.set(queue, nowMs);
    void wakeups.reset(queue);
  }
}

/** Sweeps again and again. Resolves when the signal aborts. */
export async function sweepAgainAndAgain(options: SweeperOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, everyMs } = options;
  const sweeper = new Sweeper(options);
  let failures = 0;
  while (!signal.aborted) {
    try {
      await sweeper.sweep();
      failures = 0;
    } catch (error) {
      failures += 1;
      log.warn({ failures, error: messageOf(error) }, "The sweep for waiting lanes failed; it is repeated");
    }
    await clock.sleep(backoffMs({ firstMs: everyMs, longestMs: 8 * everyMs }, failures + 1), signal);
  }
}

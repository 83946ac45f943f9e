import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db } from "#shared/db/db.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { lanesToWake } from "./lane-rows.ts";
import type { Wakeups } from "./queue.ts";

export interface SweeperOptions {
  db: Db;
  wakeups: Wakeups;
  clock: Clock;
  log: Logger;
  everyMs: number;
  /** The queues that this process works. */
  queues: () => readonly string[];
}

/** Lanes woken in one sweep at most; the rest is woken by the next ones. */
const LIMIT = 500;

/**
 * Wakes lanes that the rows say are waiting, due and not leased: their wake-up was lost, their worker has died, or their
 * task was put off until now. It does not matter which replica does it. Resolves when the signal aborts.
 */
export async function sweep(options: SweeperOptions, signal: AbortSignal): Promise<void> {
  const { db, wakeups, clock, log, everyMs, queues } = options;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const lanes = await lanesToWake(db.sql, queues(), { limit: LIMIT, againMs: everyMs * 2 });
      for (const { queue, lane, priority } of lanes) wakeups.wake(queue, lane, { priority, swept: true });
      if (lanes.length > 0) log.info({ lanes: lanes.length }, "Woke lanes that were found waiting");
      failures = 0;
    } catch (error) {
      failures += 1;
      log.warn({ failures, error: messageOf(error) }, "The sweep for waiting lanes failed; it is repeated");
    }
    await clock.sleep(everyMs * 2 ** Math.min(failures, 3), signal);
  }
}

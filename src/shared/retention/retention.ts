import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import type { Leader } from "#shared/leader/leader.ts";

export interface RetentionOptions {
  leader: Pick<Leader, "lead">;
  clock: Clock;
  log: Logger;
  /**
   * What deletes old rows, by the name of what they are. Each is called anew for a sweep, and gives the rows of each batch.
   */
  sweeps: Readonly<Record<string, () => AsyncIterable<number>>>;
}

/** What grows in ten minutes is small beside what is kept for days. */
const EVERY_MS = 600_000;
/** Between two batches the database belongs to the others. */
const PAUSE_MS = 20;

/**
 * Deletes what is older than it is kept, in one process at a time, until the signal aborts. A sweep that fails is begun
 * again, by this process or by another.
 */
export async function deleteOldRows(options: RetentionOptions, signal: AbortSignal): Promise<void> {
  const { leader, clock } = options;
  await leader.lead("retention", signal, async (leadership) => {
    while (!leadership.signal.aborted) {
      await sweepOnce(options, leadership.signal);
      await clock.sleep(EVERY_MS, leadership.signal);
    }
  });
}

async function sweepOnce({ sweeps, clock, log }: RetentionOptions, signal: AbortSignal): Promise<void> {
  for (const [what, sweep] of Object.entries(sweeps)) {
    let total = 0;
    for await (const rows of sweep()) {
      total += rows;
      await clock.sleep(PAUSE_MS, signal);
      if (signal.aborted) break;
    }
    if (total > 0) log.info({ what, rows: total }, "Deleted rows that were kept long enough");
    if (signal.aborted) return;
  }
}

import type { Clock } from "#shared/clock/clock.ts";

/** A clock that stands still until it is moved. Wall and monotonic time move together. */
export interface ManualClock extends Clock {
  /** Moves time on and wakes the sleepers that are due, the earliest first, each at its own time. */
  advance(ms: number): Promise<void>;
  /** How many sleep now. */
  readonly sleeping: number;
}

interface Sleeper {
  atMs: number;
  wake: () => void;
}

/** Lets what has just been woken run as far as it can without I/O, so that it may go to sleep again in time. */
async function settle(): Promise<void> {
  for (let tick = 0; tick < 20; tick += 1) await Promise.resolve();
}

/** A hand-moved clock that begins at `startMs` (UTC epoch milliseconds). */
export function createManualClock(startMs = 0): ManualClock {
  let nowMs = startMs;
  const sleepers = new Set<Sleeper>();

  const earliestDue = (untilMs: number): Sleeper | undefined => {
    let earliest: Sleeper | undefined;
    for (const sleeper of sleepers) {
      if (sleeper.atMs <= untilMs && (earliest === undefined || sleeper.atMs < earliest.atMs)) earliest = sleeper;
    }
    return earliest;
  };

  return {
    nowMs: () => nowMs,
    stampMs: () => nowMs,
    monotonicMs: () => nowMs - startMs,
    get sleeping() {
      return sleepers.size;
    },
    after(ms, run) {
      const wake = () => {
        sleepers.delete(sleeper);
        run();
      };
      const sleeper: Sleeper = { atMs: nowMs + Math.max(0, ms), wake };
      sleepers.add(sleeper);
      return () => void sleepers.delete(sleeper);
    },
    sleep(ms, signal) {
      if (signal?.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = () => {
          sleepers.delete(sleeper);
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        const sleeper: Sleeper = { atMs: nowMs + Math.max(0, ms), wake };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", wake, { once: true });
      });
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      await settle();
      for (let next = earliestDue(untilMs); next !== undefined; next = earliestDue(untilMs)) {
        nowMs = next.atMs;
        next.wake();
        await settle();
      }
      nowMs = untilMs;
    },
  };
}

import type { Clock } from "#shared/clock/clock.ts";

/** What one part waits for and others cause. A wake-up while nobody waits is kept. */
export interface WakeUp {
  wake: () => void;
  /** Resolves at the next wake-up, or after so many milliseconds. */
  woken(withinMs?: number): Promise<void>;
}

/** The signal's abort wakes it too. */
export function createWakeUp(clock: Clock, signal: AbortSignal): WakeUp {
  let isDue = false;
  let waiting: (() => void) | null = null;
  const wake = (): void => {
    isDue = true;
    waiting?.();
  };
  signal.addEventListener("abort", wake);
  return {
    wake,
    async woken(withinMs) {
      if (!isDue && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const cancel = withinMs === undefined ? undefined : clock.after(withinMs, resolve);
          waiting = () => {
            cancel?.();
            resolve();
          };
        });
        waiting = null;
      }
      isDue = false;
    },
  };
}

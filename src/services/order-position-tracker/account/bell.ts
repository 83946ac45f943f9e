/** Something that is rung from outside and waited for inside; a ring while nobody waits is kept. */
export interface Bell {
  ring: () => void;
  /** Resolves at the next ring, or after so many milliseconds. */
  rung(withinMs?: number): Promise<void>;
}

/** A bell that its signal's abort rings too. */
export function createBell(signal: AbortSignal): Bell {
  let rings = 0;
  let waiting: (() => void) | null = null;
  const ring = (): void => {
    rings += 1;
    waiting?.();
  };
  signal.addEventListener("abort", ring);
  return {
    ring,
    async rung(withinMs) {
      if (rings === 0 && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = withinMs === undefined ? undefined : setTimeout(resolve, withinMs);
          waiting = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        waiting = null;
      }
      rings = 0;
    },
  };
}

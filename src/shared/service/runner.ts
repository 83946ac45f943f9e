import type { Clock } from "#shared/clock/clock.ts";
import type { Logger } from "#shared/telemetry/logger.ts";

/** Something of a process that is started after what stands before it, and stopped before that. */
export interface Part {
  name: string;
  start?(signal: AbortSignal): Promise<void> | void;
  stop?(): Promise<void> | void;
}

export interface RunnerOptions {
  /** Those of a list are started one after the other too, and stopped together. */
  parts: readonly (Part | readonly Part[])[];
  clock: Clock;
  log: Logger;
  /** For all parts together. */
  stopTimeoutMs: number;
}

/** Starts and stops the parts of a process. */
export interface Runner {
  /** One after the other. When one fails, those already started are stopped, and its error is thrown. */
  start(): Promise<void>;
  /** In reverse order, those of a list together, however often it is called. Gives the names of those that did not stop in time or failed to. */
  stop(): Promise<readonly string[]>;
}

/** Makes the runner of a process' parts. */
export function createRunner(options: RunnerOptions): Runner {
  const { parts, log } = options;
  const stopping = new AbortController();
  const begun: Part[][] = [];
  let stopped: Promise<readonly string[]> | undefined;
  const stop = () => {
    stopping.abort();
    stopped ??= stopAll(begun, options);
    return stopped;
  };
  return {
    async start() {
      for (const step of parts) {
        const together: Part[] = [];
        begun.push(together);
        for (const part of [step].flat()) {
          if (stopping.signal.aborted) return;
          together.push(part);
          try {
            await part.start?.(stopping.signal);
          } catch (error) {
            // A start that was broken off by a stop is no failure.
            if (stopping.signal.aborted) return;
            await stop();
            throw error;
          }
          log.debug({ part: part.name }, "started");
        }
      }
    },
    stop,
  };
}

async function stopAll(begun: readonly Part[][], { clock, log, stopTimeoutMs }: RunnerOptions): Promise<string[]> {
  const left = new Set<string>();
  const deadlineMs = clock.monotonicMs() + stopTimeoutMs;
  const stopOne = async (part: Part): Promise<void> => {
    left.add(part.name);
    const timer = new AbortController();
    const stopped = Promise.resolve(part.stop?.()).then(
      () => left.delete(part.name),
      (error: unknown) => log.error({ err: error, part: part.name }, "did not stop as it should"),
    );
    await Promise.race([stopped, clock.sleep(Math.max(0, deadlineMs - clock.monotonicMs()), timer.signal)]);
    timer.abort();
    log.debug({ part: part.name, stopped: !left.has(part.name) }, "stopped");
  };
  for (const together of begun.toReversed()) await Promise.all(together.toReversed().map(stopOne));
  if (left.size > 0) log.error({ parts: [...left] }, "some parts did not stop in time");
  return [...left];
}

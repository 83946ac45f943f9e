import type { Clock } from "#shared/clock/clock.ts";
import { hasCode } from "#shared/errors/app-error.ts";
import type { StrategyHost } from "#shared/strategy-threads/strategy-host.ts";
import { NOBODY, type WatchedThread } from "#shared/strategy-threads/watched-thread.ts";
import type { RunFigures, SweepAnswer, SweepRequest, SweepSetup } from "./sweep-task.ts";

const MODULE = new URL("./sweep-thread.ts", import.meta.url);

/** How long what a sweep has here is kept after its last part, in milliseconds. */
const IDLE_MS = 5_000;
/** A thread with a larger heap is ended after its run: nobody can say which of its runs has left what is in it. */
const LARGEST_HEAP_BYTES = 200e6;

/** What a run came to. ended: its thread was ended under it, which may have been another one's doing. */
export type RunEnd = { kind: "done"; figures: RunFigures } | { kind: "ended"; told: string };

/** A thread for the runs of a sweep, as one part has it. */
export interface SweepRunner {
  /**
   * Runs the strategy with these parameters. STRATEGY_FAILED: it fails, does not come back, or took longer than the deadline;
   * THREAD_ENDED (transient): no thread could begin. The signal's reason where that aborts.
   */
  run(asked: { number: number; params: Record<string, unknown> }, within: RunLimits): Promise<RunEnd>;
}

export interface RunLimits {
  signal: AbortSignal;
  deadlineMs: number;
  /** What is told of a run that took longer. */
  tooLate: string;
}

/** What a process has of a sweep: its history, read once, and the threads that know it. */
interface Home {
  setup: Promise<SweepSetup>;
  idle: WatchedThread[];
  users: number;
  forget: () => void;
}

/** The threads of sweeps in one process. A thread is of one sweep for its life: no code and no memory is left for another one. */
export class SweepThreads {
  readonly #homes = new Map<string, Home>();

  constructor(private readonly options: { strategies: StrategyHost; clock: Pick<Clock, "after"> }) {}

  /** Lends a runner of a sweep. `prepare` reads what its runs have in common, unless it is here already. */
  async use<T>(
    sweepId: string,
    prepare: () => Promise<SweepSetup>,
    body: (runner: SweepRunner) => Promise<T>,
  ): Promise<T> {
    const home = this.#enter(sweepId, prepare);
    let thread: WatchedThread | null = null;
    const next = async (): Promise<WatchedThread> => {
      if (thread !== null && thread.ended === null) return thread;
      thread = null;
      thread = await this.#threadOf(home);
      return thread;
    };
    try {
      const run: SweepRunner["run"] = async (asked, within) => {
        const mine = await next();
        try {
          const { heapBytes, ...figures } = await runIn(mine, asked, within, this.options.clock);
          if (heapBytes > LARGEST_HEAP_BYTES) mine.end({ instanceId: NOBODY, told: "The thread had become large." });
          return { kind: "done", figures };
        } catch (error) {
          if (!hasCode(error, "THREAD_ENDED")) throw error;
          return { kind: "ended", told: error.message };
        }
      };
      await next();
      return await body({ run });
    } finally {
      this.#leave(sweepId, home, thread);
    }
  }

  /** Ends all threads. Nobody may be using one. */
  close(): void {
    for (const sweepId of this.#homes.keys()) this.#forget(sweepId);
  }

  #enter(sweepId: string, prepare: () => Promise<SweepSetup>): Home {
    // History may be large: what rests here makes room.
    for (const [id, other] of this.#homes) if (id !== sweepId && other.users === 0) this.#forget(id);
    const known = this.#homes.get(sweepId);
    const home: Home = known ?? { setup: prepare(), idle: [], users: 0, forget: () => undefined };
    if (known === undefined) {
      this.#homes.set(sweepId, home);
      // What failed is tried again by the next one.
      home.setup.catch(() => {
        if (this.#homes.get(sweepId) === home) this.#homes.delete(sweepId);
      });
    }
    home.users += 1;
    home.forget();
    return home;
  }

  #leave(sweepId: string, home: Home, thread: WatchedThread | null): void {
    home.users -= 1;
    if (thread !== null && thread.ended === null) home.idle.push(thread);
    if (home.users > 0) return;
    if (this.#homes.get(sweepId) === home) home.forget = this.options.clock.after(IDLE_MS, () => this.#forget(sweepId));
    else endAll(home);
  }

  #forget(sweepId: string): void {
    const home = this.#homes.get(sweepId);
    this.#homes.delete(sweepId);
    if (home === undefined) return;
    home.forget();
    endAll(home);
  }

  async #threadOf(home: Home): Promise<WatchedThread> {
    for (let idle = home.idle.pop(); idle !== undefined; idle = home.idle.pop()) if (idle.ended === null) return idle;
    // It begins while the history is read.
    const thread = this.options.strategies.thread(MODULE);
    try {
      const setup = await home.setup;
      await thread.ask(NOBODY, { kind: "setup", setup } satisfies SweepRequest);
      return thread;
    } catch (error) {
      thread.end({ instanceId: NOBODY, told: "The thread could not begin." });
      throw error;
    }
  }
}

function endAll(home: Home): void {
  for (const thread of home.idle) thread.end({ instanceId: NOBODY, told: "Nothing more was asked of the sweep." });
}

async function runIn(
  thread: WatchedThread,
  { number, params }: { number: number; params: Record<string, unknown> },
  { signal, deadlineMs, tooLate }: RunLimits,
  clock: Pick<Clock, "after">,
): Promise<SweepAnswer> {
  signal.throwIfAborted();
  const stop = () => thread.end({ instanceId: NOBODY, told: "The run was ended." });
  const callOff = clock.after(deadlineMs, () => thread.end({ instanceId: number, told: tooLate }));
  signal.addEventListener("abort", stop, { once: true });
  try {
    return (await thread.ask(number, { kind: "run", number, params } satisfies SweepRequest)) as SweepAnswer;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    callOff();
    signal.removeEventListener("abort", stop);
  }
}

import type { TaskOutcome } from "./queue.ts";

/** A queue that this process works: how many of its lanes run, and whether its wake-ups arrive. */
export class WorkedQueue {
  readonly #running = new Set<Promise<TaskOutcome>>();
  /** How many wake-ups have arrived. */
  heard = 0;
  /** Its tasks were found waiting although lanes were free and woken; ends with the next wake-up. */
  isDeaf = false;

  constructor(
    private readonly concurrency: number,
    private readonly run: (lane: string) => Promise<TaskOutcome>,
  ) {}

  get isFree(): boolean {
    return this.#running.size < this.concurrency;
  }

  /** Runs a lane that a wake-up came for. */
  wokenRun(lane: string): Promise<TaskOutcome> {
    this.heard += 1;
    this.isDeaf = false;
    return this.#counted(lane);
  }

  /** Runs a lane without a wake-up; gives whether it had work. What failed is noted in its row. */
  unwokenRun(lane: string): Promise<boolean> {
    return this.#counted(lane).then(
      ({ tasks }) => tasks !== 0,
      () => true,
    );
  }

  /** Resolves when no lane runs. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  #counted(lane: string): Promise<TaskOutcome> {
    const running = this.run(lane).finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }
}

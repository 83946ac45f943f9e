import type { Clock } from "#shared/clock/clock.ts";

/**
 * A venue's wall clock, as far as it is known here. Venues refuse a signed request whose timestamp is a second ahead of them
 * or older than its window, and a host's clock may be off by more than that for as long as it runs.
 */
export class ServerClock {
  readonly #clock: Clock;
  /** Asks the venue for its time, UTC epoch milliseconds; null: it did not tell. */
  readonly #ask: () => Promise<number | null>;
  /** How far the venue's clock is ahead of ours. Null: never measured. */
  #offsetMs: number | null = null;
  #measuring: Promise<boolean> | null = null;

  constructor(clock: Clock, ask: () => Promise<number | null>) {
    this.#clock = clock;
    this.#ask = ask;
  }

  get isMeasured(): boolean {
    return this.#offsetMs !== null;
  }

  /** By our own clock as long as the venue has not told its time. */
  nowMs(): number {
    return this.#clock.nowMs() + (this.#offsetMs ?? 0);
  }

  /** Measures against the middle of the round trip; who asks meanwhile waits for the same answer. False: the venue did not tell. */
  async measure(): Promise<boolean> {
    this.#measuring ??= this.#measureOnce().finally(() => {
      this.#measuring = null;
    });
    return await this.#measuring;
  }

  async #measureOnce(): Promise<boolean> {
    const sentAtMs = this.#clock.nowMs();
    const serverMs = await this.#ask();
    if (serverMs === null) return false;
    this.#offsetMs = Math.round(serverMs - (sentAtMs + this.#clock.nowMs()) / 2);
    return true;
  }
}

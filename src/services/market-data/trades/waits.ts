import type { Series } from "#services/market-data/series/series.ts";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import type { Clock } from "#shared/clock/clock.ts";

const ASK_AGAIN: Backoff = { firstMs: 250, longestMs: 5_000 };

type Key = Pick<Series, "instrumentId" | "timeFrame">;

interface Wait {
  instrumentId: string;
  askAtMs: number;
  pauses: number;
  lacking: number;
}

/** What a venue could not tell yet, and when it is asked for again: with pauses that grow, however many trades come meanwhile. */
export class Waits {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #waits = new Map<string, Wait>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  has(of: Key): boolean {
    return this.#waits.has(keyOf(of));
  }

  /** Whether its pause is not over yet. */
  isPausing(of: Key): boolean {
    const wait = this.#waits.get(keyOf(of));
    return wait !== undefined && this.#clock.monotonicMs() < wait.askAtMs;
  }

  /** It is to be asked for again, after a pause that is longer than the one before. */
  begin(of: Key): void {
    const wait = this.#get(of);
    wait.pauses += 1;
    wait.askAtMs = this.#clock.monotonicMs() + backoffMs(ASK_AGAIN, wait.pauses);
  }

  /** The venue has answered, and its answer lacked it. Gives how many answers did so far. */
  lacked(of: Key): number {
    const wait = this.#get(of);
    wait.lacking += 1;
    return wait.lacking;
  }

  end(of: Key): void {
    this.#waits.delete(keyOf(of));
  }

  forget(instrumentId: string): void {
    for (const [key, wait] of this.#waits) if (wait.instrumentId === instrumentId) this.#waits.delete(key);
  }

  /** Of which something is to be asked for. */
  get instrumentIds(): readonly string[] {
    return [...this.#waits.values()].map(({ instrumentId }) => instrumentId);
  }

  #get(of: Key): Wait {
    const key = keyOf(of);
    const none = { instrumentId: of.instrumentId, askAtMs: 0, pauses: 0, lacking: 0 };
    const wait = this.#waits.get(key) ?? none;
    this.#waits.set(key, wait);
    return wait;
  }
}

function keyOf({ instrumentId, timeFrame }: Key): string {
  return `${instrumentId} ${timeFrame}`;
}

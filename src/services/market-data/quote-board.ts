import type { Clock } from "#shared/clock/clock.ts";
import type { Quote } from "#shared/domain/candle.ts";

/**
 * The newest quote of each instrument, as data-collect tells and repeats it. One that is not told again for `keepMs` is
 * forgotten: nobody knows whether it stands. So each replica has the same, also one that has just begun.
 */
export class QuoteBoard {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #keepMs: number;
  readonly #quotes = new Map<string, { quote: Quote; heardAtMs: number }>();

  constructor(clock: Pick<Clock, "monotonicMs">, keepMs: number) {
    this.#clock = clock;
    this.#keepMs = keepMs;
  }

  /** Takes a quote in. During a hand-over two owners tell of an instrument: what was received earlier changes nothing. */
  note(quote: Quote): void {
    const known = this.find(quote.instrumentId);
    if (known !== null && known.receivedAtMs > quote.receivedAtMs) return;
    this.#quotes.set(quote.instrumentId, { quote, heardAtMs: this.#clock.monotonicMs() });
  }

  /** Null: none stands. */
  find(instrumentId: string): Quote | null {
    const known = this.#quotes.get(instrumentId);
    if (known === undefined) return null;
    if (this.#clock.monotonicMs() - known.heardAtMs < this.#keepMs) return known.quote;
    this.#quotes.delete(instrumentId);
    return null;
  }

  /** All that stand, by instrument. */
  list(): Quote[] {
    const standing = [...this.#quotes.keys()].map((id) => this.find(id)).filter((quote) => quote !== null);
    return standing.toSorted((a, b) => (a.instrumentId < b.instrumentId ? -1 : 1));
  }
}

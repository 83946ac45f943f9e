import type { Advance, Position } from "./log-store.ts";

/**
 * Where a unit stands, by topic: what is done here, and what the log store says of it. That is behind by what was passed since it
 * was told.
 */
export class UnitPositions {
  readonly #done = new Map<string, number>();
  readonly #stored = new Map<string, number>();

  /** Up to here all is done. */
  of(topic: string): number {
    return this.#done.get(topic) ?? 0;
  }

  storedOf(topic: string): number {
    return this.#stored.get(topic) ?? 0;
  }

  /** What the log store says. */
  learn(positions: readonly Position[]): void {
    for (const { topic, seq } of positions) {
      this.#done.set(topic, seq);
      this.#stored.set(topic, seq);
    }
  }

  /** The step of the log store's position up to an event, over what was passed before it. */
  stepTo(topic: string, after: number): Advance {
    return { topic, before: this.storedOf(topic), after };
  }

  /** Events were passed: the log store may be told later. */
  pass(steps: readonly Advance[]): void {
    for (const { topic, after } of steps) this.#done.set(topic, after);
  }

  /** What the log store has to be told, in the order of the topics. */
  unstored(): Advance[] {
    const behind = [...this.#done].filter(([topic, seq]) => seq > this.storedOf(topic));
    return behind.map(([topic, seq]) => this.stepTo(topic, seq)).sort((a, b) => (a.topic < b.topic ? -1 : 1));
  }

  /** The log store has been told. */
  moved(steps: readonly Advance[]): void {
    this.learn(steps.map(({ topic, after }) => ({ topic, seq: after })));
  }
}

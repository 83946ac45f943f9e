/**
 * An indicator that is fed one input after the other. Its values are those of its function over arrays, bit for bit.
 * Before it has seen enough, each number of its output is NaN. Inputs have to be finite.
 */
export interface Indicator<Input, Output> {
  update(input: Input): Output;
  /** All it remembers, as JSON. An indicator that `restore`s it goes on the same, to the last bit. */
  snapshot(): IndicatorSnapshot;
  restore(snapshot: IndicatorSnapshot): void;
}

/** Numbers by name, or lists of them, or nested the same way. Null stands for NaN, which JSON does not have. */
export interface IndicatorSnapshot {
  readonly [name: string]: number | null | readonly number[] | IndicatorSnapshot;
}

/** What an indicator over bars needs of a bar. */
export interface PriceBar {
  readonly high: number;
  readonly low: number;
  readonly close: number;
}

/** The same of many bars, as columns. */
export interface PriceColumns {
  readonly high: ArrayLike<number>;
  readonly low: ArrayLike<number>;
  readonly close: ArrayLike<number>;
}

/** A number as it stands in a snapshot. */
export function savedNumber(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** Reads what `savedNumber` wrote. Throws on anything else. */
export function loadNumber(snapshot: IndicatorSnapshot, name: string): number {
  const value = snapshot[name];
  if (value === null) return Number.NaN;
  if (typeof value !== "number") throw new TypeError(`The snapshot has no number "${name}".`);
  return value;
}

/** Reads a list of numbers. Throws on anything else. */
export function loadNumbers(snapshot: IndicatorSnapshot, name: string): readonly number[] {
  const value = snapshot[name];
  if (!Array.isArray(value)) throw new TypeError(`The snapshot has no list "${name}".`);
  return value as readonly number[];
}

/** Reads a snapshot within a snapshot. Throws on anything else. */
export function loadInner(snapshot: IndicatorSnapshot, name: string): IndicatorSnapshot {
  const value = snapshot[name];
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`The snapshot has no part "${name}".`);
  }
  return value as IndicatorSnapshot;
}

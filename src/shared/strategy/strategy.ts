import type { z } from "zod";

/** A closed (or, where asked for, forming) candle as a strategy sees it: float64, for indicators. The object is reused; copy what you keep. */
export interface StrategyBar {
  n: number;
  openAtMs: number;
  closeAtMs: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  closed: boolean;
}

/** What a strategy may do and see. The engine compares a wish with the position: the same wish twice gives one signal. */
export interface StrategyContext {
  /** Market clock: the close of the bar. */
  readonly nowMs: number;
  /** "flat" also means: what is left is below the minimum size or, at the mark, below the minimum notional. */
  readonly position: "flat" | "long";
  /** True while an order of this session is on its way: wishes are then not turned into signals. */
  readonly busy: boolean;
  /**
   * The next number in [0, 1). Seeded from the strategy's name, version and parameters, and part of the snapshot: a session
   * draws what its backtest draws, and goes on with the next one after a restart.
   */
  random(): number;
  wantLong(): void;
  wantFlat(): void;
}

/**
 * One strategy at work in one session. Synchronous and deterministic: no clock, no randomness but the context's, no I/O.
 * What reaches for them is refused where the strategy runs.
 */
export interface StrategyInstance {
  onBar(bar: StrategyBar, context: StrategyContext): void;
  /** All it remembers, as JSON. `restore` of it gives an instance that goes on the same, to the last bit. */
  snapshot(): unknown;
  restore(snapshot: unknown): void;
}

/** A strategy: named, versioned, with parameters that are a form, a validation and an optimiser's space in one. */
export interface StrategyDefinition<Params extends z.ZodObject = z.ZodObject> {
  name: string;
  version: string;
  description: string;
  params: Params;
  /** How many closed bars it wants to have seen before it decides. 0: none; it counts for itself. */
  warmupBars(params: z.infer<Params>): number;
  /** Whether it is also called with forming bars. */
  forming: boolean;
  create(params: z.infer<Params>): StrategyInstance;
}

/** Keeps the types of params and create together. */
export function defineStrategy<Params extends z.ZodObject>(
  definition: StrategyDefinition<Params>,
): StrategyDefinition<Params> {
  return definition;
}

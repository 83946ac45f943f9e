import { isFlat } from "#shared/accounting/flat.ts";
import { type Decimal, decimal, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { rulesOf } from "#shared/domain/instrument-rules.ts";
import type { Intent } from "#shared/domain/signal.ts";
import type { StrategyBar, StrategyContext, StrategyDefinition } from "./strategy.ts";

/** What a strategy wanted last. null: it has never wanted anything. A wish stands until it is taken back by the other one. */
export type Wish = "long" | "flat" | null;

/** Which wishes may become intents. all: the session is RUNNING; exits: PAUSED; none: every other state, and warm-up. */
export type TradingMode = "all" | "exits" | "none";

/** What a runtime remembers of its strategy, as JSON. Position and busy are not in it: they come from orders. */
export interface RuntimeSnapshot {
  wish: Wish;
  strategy: unknown;
}

/**
 * One strategy at work on one instrument: the same code in backtest, paper and live. `feed` shows it a bar; `intent` then
 * says what to do at the close of that bar: long while flat enters, flat while not flat leaves, and nothing while busy.
 */
export interface StrategyRuntime {
  /** Calls the strategy with a bar. What it throws comes through. */
  feed(bar: StrategyBar): void;
  /** What the wish asks for at the close of the bar fed last. Calling it changes nothing. */
  intent(mode: TradingMode): Intent | null;
  /** The exact holding, in the base asset, after a fill. */
  setPosition(size: Decimal): void;
  /** Whether a signal is undecided or an order on its way. */
  setBusy(busy: boolean): void;
  readonly wish: Wish;
  readonly busy: boolean;
  snapshot(): RuntimeSnapshot;
  restore(snapshot: RuntimeSnapshot): void;
}

const ENTER: Intent = Object.freeze({ kind: "enter", side: "BUY", style: Object.freeze({ type: "MARKET" }) });
const EXIT: Intent = Object.freeze({ kind: "exit", style: Object.freeze({ type: "MARKET" }) });

/**
 * Makes the runtime of a strategy. Throws (ZodError) on parameters that the strategy refuses; what the strategy's
 * `create` throws comes through.
 */
export function createStrategyRuntime(options: {
  definition: StrategyDefinition;
  params: unknown;
  instrument: Instrument;
}): StrategyRuntime {
  const { definition, instrument } = options;
  const instance = definition.create(definition.params.parse(options.params));
  const holding = createHolding(instrument);
  let wish: Wish = null;
  let busy = false;
  let nowMs = 0;
  let close = Number.NaN;
  const context: StrategyContext = {
    get nowMs() {
      return nowMs;
    },
    get position() {
      return holding.isFlatAt(close) ? "flat" : "long";
    },
    get busy() {
      return busy;
    },
    wantLong() {
      wish = "long";
    },
    wantFlat() {
      wish = "flat";
    },
  };
  return {
    feed(bar) {
      nowMs = bar.closeAtMs;
      close = bar.close;
      instance.onBar(bar, context);
    },
    intent(mode) {
      if (busy || wish === null || mode === "none") return null;
      if (wish === "flat") return holding.isFlatAt(close) ? null : EXIT;
      return mode === "all" && holding.isFlatAt(close) ? ENTER : null;
    },
    setPosition: (size) => holding.set(size),
    setBusy(value) {
      busy = value;
    },
    get wish() {
      return wish;
    },
    get busy() {
      return busy;
    },
    snapshot: () => ({ wish, strategy: instance.snapshot() }),
    restore(snapshot) {
      wish = snapshot.wish;
      instance.restore(snapshot.strategy);
    },
  };
}

/** Far above the few 2^-53 by which a float64 product of two rounded numbers can be off. */
const MARGIN = 1e-12;

/**
 * `isFlat` (accounting) for a holding that changes rarely and is asked at each bar. The answer is the exact one: a float64
 * product decides only where it is further from the minimum notional than its error can reach.
 */
function createHolding(instrument: Instrument): { set(size: Decimal): void; isFlatAt(close: number): boolean } {
  const { minSize, minNotional: least } = rulesOf(instrument).market;
  const minNotional = least.toNumber();
  const below = minNotional * (1 - MARGIN);
  const above = minNotional * (1 + MARGIN);
  let size: Decimal = ZERO;
  let approximate = 0;
  let alwaysFlat = true;
  return {
    set(value) {
      size = value.isNegative() ? value.negated() : value;
      alwaysFlat = size.isZero() || size.lt(minSize);
      if (!alwaysFlat) approximate = size.toNumber();
    },
    isFlatAt(close) {
      if (alwaysFlat) return true;
      const notional = approximate * close;
      if (notional > above) return false;
      if (notional < below) return true;
      return isFlat({ size, mark: decimal(String(close)), instrument });
    },
  };
}

import { isFlat } from "#shared/accounting/flat.ts";
import { approximate, type Decimal, decimal, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { rulesOf } from "#shared/domain/instrument-rules.ts";
import type { Intent } from "#shared/domain/signal.ts";
import { assertPlainJson } from "./plain-json.ts";
import { createRandom, type Random, type RandomState } from "./random.ts";
import type { StrategyBar, StrategyContext, StrategyDefinition } from "./strategy.ts";

/** What a strategy wanted last. null: it has never wanted anything. A wish stands until it is taken back by the other one. */
export type Wish = "long" | "flat" | null;

/** Which wishes may become intents. all: the session is RUNNING; exits: PAUSED; none: every other state, and warm-up. */
export type TradingMode = "all" | "exits" | "none";

/** What a runtime remembers of its strategy, as JSON. Position and busy are not in it: they come from orders. */
export interface RuntimeSnapshot {
  wish: Wish;
  random: RandomState;
  strategy: unknown;
}

/**
 * One strategy at work on one instrument: the same code in backtest, paper and live. `feed` shows it a bar; `intent` then
 * says what to do at the close of that bar: long while flat enters, flat while not flat leaves, and nothing while busy.
 */
export interface StrategyRuntime {
  /** Calls the strategy with a bar. What it throws comes through; an `onBar` that answers with a promise is a TypeError. */
  feed(bar: StrategyBar): void;
  /** What the wish asks for at the close of the bar fed last. Calling it changes nothing. */
  intent(mode: TradingMode): Intent | null;
  /** The exact holding, in the base asset, after a fill. */
  setPosition(size: Decimal): void;
  /** Whether a signal is undecided or an order on its way. */
  setBusy(busy: boolean): void;
  readonly wish: Wish;
  readonly busy: boolean;
  /** Throws (TypeError) where what the strategy gives is not JSON: it would not come back the same. */
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
  const params: unknown = definition.params.parse(options.params);
  const instance = definition.create(params as Record<string, unknown>);
  const random = createRandom(seedOf(definition, params));
  const holding = createHolding(instrument);
  const at: Moment = { wish: null, busy: false, nowMs: 0, close: Number.NaN, open: false };
  const context = contextOf(at, holding, random);
  return {
    feed(bar) {
      at.nowMs = bar.closeAtMs;
      at.close = bar.close;
      at.open = true;
      let returned: unknown;
      try {
        returned = instance.onBar(bar, context);
      } finally {
        at.open = false;
      }
      if (returned instanceof Promise) throw new TypeError("Its onBar is asynchronous; a strategy answers at once.");
    },
    intent(mode) {
      if (at.busy || at.wish === null || mode === "none") return null;
      if (at.wish === "flat") return holding.isFlatAt(at.close) ? null : EXIT;
      return mode === "all" && holding.isFlatAt(at.close) ? ENTER : null;
    },
    setPosition: (size) => holding.set(size),
    setBusy(value) {
      at.busy = value;
    },
    get wish() {
      return at.wish;
    },
    get busy() {
      return at.busy;
    },
    snapshot() {
      const strategy = instance.snapshot();
      assertPlainJson(strategy, "its snapshot");
      return { wish: at.wish, random: random.snapshot(), strategy };
    },
    restore(snapshot) {
      if (snapshot.wish !== null && snapshot.wish !== "long" && snapshot.wish !== "flat") {
        throw new TypeError(`The wish ${String(snapshot.wish)} is none that there is.`);
      }
      at.wish = snapshot.wish;
      random.restore(snapshot.random);
      instance.restore(snapshot.strategy);
    },
  };
}

/** What a strategy at work sees of its session, and what it wants. */
interface Moment {
  wish: Wish;
  busy: boolean;
  nowMs: number;
  close: number;
  /** Within `onBar`: what is wished at another time belongs to no bar. */
  open: boolean;
}

function contextOf(at: Moment, holding: Holding, random: Random): StrategyContext {
  const want = (wanted: Wish, given: number) => {
    if (!at.open) throw new TypeError("A wish was made outside of onBar: it belongs to no bar.");
    if (given > 0) throw new TypeError("A wish takes nothing: its size is the risk policy's.");
    at.wish = wanted;
  };
  return Object.freeze({
    get nowMs() {
      return at.nowMs;
    },
    get position(): "flat" | "long" {
      return holding.isFlatAt(at.close) ? "flat" : "long";
    },
    get busy() {
      return at.busy;
    },
    random() {
      if (!at.open) throw new TypeError("A random number was drawn outside of onBar: it belongs to no bar.");
      return random.next();
    },
    wantLong: (...given: unknown[]) => want("long", given.length),
    wantFlat: (...given: unknown[]) => want("flat", given.length),
  });
}

/** What the random numbers are drawn from: the same for a session and its backtest, whatever order the parameters came in. */
function seedOf({ name, version }: StrategyDefinition, params: unknown): string {
  const sorted = (_key: string, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1)))
      : value;
  return JSON.stringify([name, version, params], sorted);
}

interface Holding {
  set(size: Decimal): void;
  isFlatAt(close: number): boolean;
}

/** Far above the few 2^-53 by which a float64 product of two rounded numbers can be off. */
const MARGIN = 1e-12;

/**
 * `isFlat` (accounting) for a holding that changes rarely and is asked at each bar. The answer is the exact one: a float64
 * product decides only where it is further from the minimum notional than its error can reach.
 */
function createHolding(instrument: Instrument): Holding {
  const { minSize, minNotional: least } = rulesOf(instrument).market;
  const minNotional = least.toNumber();
  const below = minNotional * (1 - MARGIN);
  const above = minNotional * (1 + MARGIN);
  let size: Decimal = ZERO;
  let rounded = 0;
  let alwaysFlat = true;
  return {
    set(value) {
      size = value.isNegative() ? value.negated() : value;
      alwaysFlat = size.isZero() || size.lt(minSize);
      if (!alwaysFlat) rounded = approximate(size);
    },
    isFlatAt(close) {
      if (alwaysFlat) return true;
      const notional = rounded * close;
      if (notional > above) return false;
      if (notional < below) return true;
      return isFlat({ size, mark: decimal(String(close)), instrument });
    },
  };
}

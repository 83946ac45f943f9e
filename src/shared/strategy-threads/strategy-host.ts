import type { Instrument } from "#shared/domain/instrument.ts";
import type { Intent } from "#shared/domain/signal.ts";
import type { StrategyCheck } from "#shared/strategy/registry.ts";
import type { RuntimeSnapshot, TradingMode } from "#shared/strategy/runtime.ts";
import type { StrategyBar } from "#shared/strategy/strategy.ts";
import type { StrategyInfo } from "./definitions.ts";
import type { WatchedThread } from "./watched-thread.ts";

/** Bars to show to a strategy, and what it is to know of its session meanwhile. */
export interface BarsRequest {
  /** In order. All but the last are closed. None: what it remembers is asked for. */
  bars: readonly StrategyBar[];
  mode: TradingMode;
  /** What the session holds, a decimal text in the base asset. */
  size: string;
  /** Whether a signal is undecided or an order on its way. */
  busy: boolean;
  /** The bars are of a warm-up: each may take as long as a first bar. */
  warmUp: boolean;
}

/** What came of the bars. */
export interface BarsOutcome {
  /** What the strategy asks for, and the index of the bar at whose close it does. Null: nothing. */
  signal: { at: number; intent: Intent } | null;
  /** All it remembers now. Null: the last bar was a forming one without a signal, and nothing of it is kept. */
  snapshot: RuntimeSnapshot | null;
}

/** Which strategy is to work, for whom, and what it remembers. */
export interface InstanceOptions {
  /** Whose it is, for the log. */
  sessionId: string;
  strategy: string;
  version: string;
  params: unknown;
  instrument: Instrument;
  /** What it remembered. Null: it is new. */
  snapshot: RuntimeSnapshot | null;
}

/** A strategy at work for one session. It is asked one thing after the other. */
export interface StrategyInstance {
  /** How many closed bars it wants to have seen before it decides. */
  readonly warmupBars: number;
  readonly forming: boolean;
  /**
   * Shows it bars. STRATEGY_FAILED: it threw, did not come back in time, or remembers what is not JSON. THREAD_ENDED (transient):
   * what it remembered is lost with another strategy's fault; it is made again from its row.
   */
  onBars(request: BarsRequest): Promise<BarsOutcome>;
  close(): void;
}

/**
 * Where strategies run: apart from the engine. One that never returns, eats memory or fails late stops itself alone. No code
 * of a strategy runs anywhere else.
 */
export interface StrategyHost {
  /** Finds the strategies; once, whoever asks first. SETTINGS_INVALID: two have one name, or a folder is not there. */
  load(): Promise<void>;
  /** The strategies there are; those of a file that cannot be loaded as they were last. */
  list(): readonly StrategyInfo[];
  /** Sentences about what could not be taken as it stands in the folders now. */
  faults(): readonly string[];
  /** The newest of this name. Null: there is none. */
  find(name: string): StrategyInfo | null;
  /** Whether a strategy is known and takes these parameters. STRATEGY_FAILED where its own schema fails. */
  check(request: { strategy: string; params?: unknown }): Promise<StrategyCheck>;
  /** Makes a strategy for a session. STRATEGY_FAILED: there is none of this name and version, or it cannot begin. */
  open(options: InstanceOptions): Promise<StrategyInstance>;
  /**
   * A thread of its own for who runs a strategy whole. `module` ends with `serve` (serve.ts) and loads the file and texts that
   * `find` gives with `loadDefinitions`; whoever asks for it ends it.
   */
  thread(module: URL): WatchedThread;
  close(): Promise<void>;
}

import type { AccountEventRow } from "#services/paper-exchange/ledger/ledger-types.ts";
import type { ReplayBar } from "#services/paper-exchange/prices/bars.ts";
import type { CandleRow } from "#services/paper-exchange/prices/candles.ts";
import type { PublicTrade } from "#services/paper-exchange/prices/replay.ts";
import type { Regime } from "#services/paper-exchange/prices/synthetic-price.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import type { Failpoints } from "#shared/service/failpoints.ts";
import type { Store } from "./store.ts";

/** What a commit made public, in the order it happened. */
export type Shown =
  | { kind: "trade"; trade: PublicTrade }
  | { kind: "account"; event: AccountEventRow }
  | { kind: "bar"; bar: ReplayBar; trades: readonly PublicTrade[]; closed: boolean }
  | { kind: "candle"; candle: CandleRow };

/** A replay's bars, or nothing for a ticker. */
export interface Replay {
  bars: readonly ReplayBar[];
  timeFrame: TimeFrame;
  lockstep: boolean;
}

/** What a synthetic market is made up of. */
export interface Synthetic {
  startPrice: string;
  /** The closed bars that it begins with. */
  history: () => readonly CandleRow[];
  regimeAt: (atMs: number) => Regime;
  /** How far best bid and ask are from the last price. */
  halfSpread: string;
}

export interface MarketOptions {
  id: string;
  instrument: Instrument;
  account: { apiKey: string; secret: string; balances: Record<string, string> };
  replay: Replay | null;
  /** Whether an order meets the last price shown at once, or waits for the next one. A replay's orders wait. */
  firstPrice: "last" | "next";
  /** Null: it is no synthetic market. */
  synthetic: Synthetic | null;
  /** How long an order is on its way until it can meet a price. */
  latencyMs: number;
  store: Store;
  clock: Clock;
  failpoints: Failpoints;
}

export type ReleaseOutcome = "released" | "other-step" | "finished";

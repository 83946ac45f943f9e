import type { ColumnTexts } from "#shared/candles/column-text.ts";
import type { Candle, CandleSource, VenueBar, VenueTrade } from "#shared/domain/candle.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import type { StrategyCheck } from "#shared/strategy/registry.ts";

/** The numbers of a stored series: its first and its newest closed candle. `headN` 0: it has none yet. The first is 1, 0, -1, ... */
export interface SeriesHead {
  instrumentId: string;
  timeFrame: TimeFrame;
  source: CandleSource;
  firstN: number;
  headN: number;
  headOpenAtMs: number | null;
}

/** data-collect's internal REST. */
export interface DataCollectClient {
  instruments(venue: string): Promise<Instrument[]>;
  /**
   * Closed bars of the venue, oldest first: those that open at or after `fromMs`; without it the newest that open before
   * `toMs` (none: now). At most `limit`, which is at most MOST_A_PAGE.
   */
  bars(query: {
    instrumentId: string;
    timeFrame: TimeFrame;
    fromMs?: number;
    toMs?: number;
    limit: number;
  }): Promise<VenueBar[]>;
  trades(query: { instrumentId: string; fromId?: string; limit: number }): Promise<VenueTrade[]>;
  /** Asks for a feed beside the bars of the sessions; it runs while a session that runs names the instrument. */
  follow(
    feed:
      | { instrumentId: string; kind: "trades" | "quotes" }
      | { instrumentId: string; kind: "bars"; timeFrame: TimeFrame },
  ): Promise<void>;
}

/** market-data's internal REST. */
export interface MarketDataClient {
  /** Null: unknown to every venue. */
  instrument(instrumentId: string): Promise<Instrument | null>;
  /** A series as it is kept, its history perhaps still being read. Null: no one has asked for it yet. */
  series(query: { instrumentId: string; timeFrame: TimeFrame }): Promise<SeriesHead | null>;
  /**
   * Makes sure that the series is kept, with this many candles where the venue has them: it grows at its beginning where it has
   * fewer. The same call twice changes nothing. CONFLICT (permanent): it is kept from another source.
   */
  ensureSeries(query: {
    instrumentId: string;
    timeFrame: TimeFrame;
    source: CandleSource;
    history: number;
    /** Whether the candle that forms is published too, with each trade. Once asked for, it stays. */
    forming?: boolean;
  }): Promise<SeriesHead>;
  /** Closed candles from number `fromN` on, of those that opened at `fromMs` or later, oldest first. */
  candles(query: {
    instrumentId: string;
    timeFrame: TimeFrame;
    fromN?: number;
    fromMs?: number;
    limit: number;
  }): Promise<Candle[]>;
  /**
   * Closed candles `fromN` to `toN` as columns, at most MOST_COLUMNS. INVALID_INPUT: a price has more digits than float64
   * keeps.
   */
  columns(query: { instrumentId: string; timeFrame: TimeFrame; fromN: number; toN: number }): Promise<ColumnTexts>;
}

/** strategy-executor's internal REST. */
export interface StrategyExecutorClient {
  /** Whether it knows the strategy, and whether that takes the parameters. */
  validate(query: { strategy: string; params: unknown }): Promise<StrategyCheck>;
}

/** A session at work that runs with something missing, and what it holds. */
export interface ExposedSession {
  sessionId: string;
  name: string;
  /** Codes of what it runs without. */
  missing: string[];
  openOrders: number;
  positions: number;
}

/** order-position-tracker's internal REST. */
export interface OrderPositionTrackerClient {
  /** Whether the session has an open order or a position that is not flat. */
  exposure(sessionId: string): Promise<{ openOrders: number; positions: number }>;
  /** A page of the sessions at work that run with something missing and hold something; `cursor`: `nextCursor` of the page before. */
  exposed(cursor: string | null): Promise<{ items: ExposedSession[]; nextCursor: string | null }>;
  account(accountId: string): Promise<{ id: string; venue: string } | null>;
}

/** A service as monitoring sees it. */
export interface ServiceStanding {
  service: string;
  /** How many of its instances are alive and take work. */
  ready: number;
  instances: { standing: string; version: string; ready: boolean; waitsFor: string[] }[];
  /** Its open tasks, and the age of the oldest in milliseconds. */
  tasks: { open: number; oldestMs: number };
  /** Where it is behind. */
  lag: { events: number; waitedMs: number }[];
  /** Events and tasks that wait for a person. */
  dead: number;
}

/** monitoring's REST. */
export interface MonitoringClient {
  /** Every service that is or was heard, by its name. */
  services(): Promise<ServiceStanding[]>;
}

/** The REST clients a service may use. A service that is down gives an AppError SERVICE_UNAVAILABLE (transient). */
export interface ServiceClients {
  dataCollect: DataCollectClient;
  marketData: MarketDataClient;
  strategyExecutor: StrategyExecutorClient;
  orderPositionTracker: OrderPositionTrackerClient;
  monitoring: MonitoringClient;
}

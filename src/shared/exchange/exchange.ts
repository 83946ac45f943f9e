import type { Quote, VenueBar, VenueTrade } from "#shared/domain/candle.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { OrderStyle, Side } from "#shared/domain/signal.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";

/**
 * Which closed bars, oldest first, at most `limit`, each with the venue's own word on the one before it. `afterMs`: those
 * behind the one that opened then; `fromMs`: those that open then or later; else the newest that open before `toMs` (none: now).
 */
export interface BarQuery {
  instrument: Instrument;
  timeFrame: TimeFrame;
  afterMs?: number;
  fromMs?: number;
  toMs?: number;
  /** The venue is known to have closed all bars up to then: without it, its time is asked. */
  closedByMs?: number;
  limit: number;
}

/** The public side of a venue. Every amount is decimal text, every time UTC epoch milliseconds of the venue's market clock. */
export interface VenueMarketData {
  readonly venue: string;
  instruments(): Promise<Instrument[]>;
  bars(query: BarQuery): Promise<VenueBar[]>;
  /** Trades from this id on (included), oldest first; without an id the newest. */
  trades(query: { instrument: Instrument; fromId?: string; limit: number }): Promise<VenueTrade[]>;
  /**
   * Calls back with each closed bar until the signal aborts; reconnects by itself, also where the venue does not acknowledge
   * the subscription in time; `onConnected` after each acknowledgement, when a hole may have opened; `onAlive` with each frame,
   * also of a bar that forms. A frame does not name the bar before it: `prevOpenAtMs` is null.
   */
  followBars(follow: {
    instrument: Instrument;
    timeFrame: TimeFrame;
    signal: AbortSignal;
    onBar: (bar: VenueBar) => void;
    /** A closed bar came that nobody can use: it is over all the same. */
    onUnusable?: (bar: Pick<VenueBar, "closeAtMs">) => void;
    onAlive: () => void;
    onConnected: () => void;
  }): Promise<void>;
  followTrades(follow: {
    instrument: Instrument;
    signal: AbortSignal;
    onTrades: (trades: VenueTrade[]) => void;
    onConnected: () => void;
  }): Promise<void>;
  /** Best bid and ask now. */
  quote(instrument: Instrument): Promise<Quote>;
  /** Best bid and ask, as often as the venue tells them. Reconnects by itself; `onConnected` after each acknowledgement. */
  followQuotes(follow: {
    instrument: Instrument;
    signal: AbortSignal;
    onQuote: (quote: Quote) => void;
    onConnected: () => void;
  }): Promise<void>;
  close(): Promise<void>;
}

/** An order as the venue tells it. */
export interface VenueOrder {
  clientOrderId: string;
  venueOrderId: string;
  venueSymbol: string;
  status: "NEW" | "PARTIALLY_FILLED" | "FILLED" | "CANCELED" | "REJECTED" | "EXPIRED";
  size: string;
  filledSize: string;
  atMs: number;
}

/** An execution as the venue tells it. */
export interface VenueFill {
  tradeId: string;
  venueOrderId: string;
  /** Absent in Binance's list of trades; there the order id leads to the order. */
  clientOrderId?: string;
  venueSymbol: string;
  side: Side;
  price: string;
  size: string;
  fee: string;
  feeAsset: string;
  maker: boolean;
  atMs: number;
}

/** A row of the venue's list of fills whose form is not known. */
export interface UnreadableFill {
  /** Of the row, or of all its text where it has none. */
  tradeId: string;
  /** Of the row; null where it has none. */
  venueOrderId: string | null;
  /** As the venue wrote it: JSON text. */
  raw: string;
  reason: string;
}

/** A page of fills. `rows`: how many the venue told, readable or not. `lastId`: of the last row with a readable id; null: none. */
export interface FillPage {
  fills: VenueFill[];
  unreadable: UnreadableFill[];
  rows: number;
  lastId: string | null;
}

export interface VenueBalance {
  asset: string;
  free: string;
  locked: string;
}

/** What came of a send. A lost or unclear answer is neither: it throws an AppError VENUE_ANSWER_LOST, and the order is UNKNOWN. */
export type PlaceOutcome =
  | { kind: "accepted"; order: VenueOrder; fills: VenueFill[] }
  | { kind: "rejected"; code: string; reason: string }
  /** The venue says that the request's time window was over: it never took effect. */
  | { kind: "window-passed" }
  /** Under a ban it has not left, or the venue has said that it takes no new orders for a while: it has no effect. */
  | { kind: "not-taken"; reason: string };

export type CancelOutcome = { kind: "canceled"; order: VenueOrder } | { kind: "not-open" };

/** What the user stream tells of an order, with the execution that it is told for where there is one. Balances are asked for. */
export interface AccountEvent {
  order: VenueOrder;
  fill?: VenueFill;
}

export interface PlaceRequest {
  instrument: Instrument;
  clientOrderId: string;
  side: Side;
  style: OrderStyle;
  size: string;
  /** The request's own timestamp (venue server clock) and window: after signedAt + recvWindow the venue itself refuses it. */
  signedAtMs: number;
  recvWindowMs: number;
  /** Called when the request has left: the path's last stamp. */
  onSent?: () => void;
}

/** The private side of a venue, for one account (API key). */
export interface VenueAccount {
  readonly venue: string;
  readonly accountId: string;
  /** The venue's server clock (wall time, also in a replay). */
  serverTimeMs(): Promise<number>;
  place(request: PlaceRequest): Promise<PlaceOutcome>;
  cancel(query: { instrument: Instrument; clientOrderId: string }): Promise<CancelOutcome>;
  /** The newest order with this client order id; null when the venue knows none. */
  order(query: { instrument: Instrument; clientOrderId: string }): Promise<VenueOrder | null>;
  /** The order with this id of the venue; null when it knows none. */
  orderByVenueId(query: { instrument: Instrument; venueOrderId: string }): Promise<VenueOrder | null>;
  openOrders(instrument: Instrument): Promise<VenueOrder[]>;
  /**
   * Fills with a trade id of `fromId` or above, oldest first; without one from the first. `venueOrderId`: of this order alone.
   * One that cannot be read hides no other.
   */
  fills(query: { instrument: Instrument; fromId?: string; venueOrderId?: string; limit: number }): Promise<FillPage>;
  balances(): Promise<VenueBalance[]>;
  /** Follows the user stream until the signal aborts; reconnects by itself; `onConnected` after each (re)connect. */
  follow(follow: {
    signal: AbortSignal;
    onEvent: (event: AccountEvent) => void;
    onConnected: () => void;
  }): Promise<void>;
  close(): Promise<void>;
}

/** Makes the connectors that the settings name. */
export interface Exchanges {
  readonly venues: readonly string[];
  marketData(venue: string): VenueMarketData;
  /** Ids of the accounts whose keys this process was given. */
  readonly accounts: readonly { id: string; venue: string }[];
  account(accountId: string): VenueAccount;
  /**
   * Now by a venue's market clock where that is wall time: as its lists of bars have told it here; ours in a process that lists none.
   * Null in a replay, whose time is in its events alone.
   */
  marketNowMs(venue: string): number | null;
  /** How far the lists of orders and fills of a venue may be behind what it has executed, in milliseconds. */
  listLagMs(venue: string): number;
  /** Until when nothing may leave for a venue, as it has told (wall clock); null: it takes requests. */
  bannedUntilMs(venue: string): number | null;
  /** The same for new orders of an account, which the venue may refuse alone. */
  orderBanUntilMs(accountId: string): number | null;
  /** What bans of an account's new orders are kept under. */
  orderBanAddresses(accountId: string): string[];
  /** True when any venue is a real one: failpoints are refused then. */
  readonly live: boolean;
  close(): Promise<void>;
}

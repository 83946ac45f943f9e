import type { CandleRow } from "#services/paper-exchange/prices/candles.ts";
import type { Side, TimeInForce } from "#shared/domain/signal.ts";

export type OrderType = "MARKET" | "LIMIT" | "LIMIT_MAKER";
/** FORGOTTEN is the ledger's own: the venue has accepted the order and knows nothing of it any more (a fault). */
export type OrderStatus = "NEW" | "FILLED" | "CANCELED" | "EXPIRED" | "EXPIRED_IN_MATCH" | "FORGOTTEN";

/** An order at the venue. Amounts are plain decimal text; times are market time. */
export interface VenueOrderRow {
  id: number;
  clientOrderId: string;
  side: Side;
  type: OrderType;
  timeInForce: TimeInForce;
  /** "0" for a market order. */
  price: string;
  size: string;
  filled: string;
  /** Quote amount of its fills, exact. */
  quote: string;
  status: OrderStatus;
  /** Why it ended without a fill; null where it did not. */
  reason: string | null;
  /** What is locked for it while it is open: quote of a limit buy, base of a sell. */
  locked: string;
  /** It stands in the book: a price was shown since it came. */
  resting: boolean;
  /** Dense number of orders that ended, from 1; null while open. */
  terminalNumber: number | null;
  createdAtMs: number;
  updatedAtMs: number;
}

/** One execution. `tradeId` is dense, from 1. */
export interface VenueFillRow {
  tradeId: number;
  orderId: number;
  clientOrderId: string;
  side: Side;
  price: string;
  size: string;
  quote: string;
  fee: string;
  feeAsset: string;
  maker: boolean;
  atMs: number;
}

export interface BalanceRow {
  asset: string;
  free: string;
  locked: string;
}

/** One change of what the account owns. The sum of an asset's entries is its balance (free and locked). */
export interface LedgerEntry {
  number: number;
  asset: string;
  delta: string;
  reason: "deposit" | "trade" | "fee";
  tradeId: number | null;
  atMs: number;
}

/** An event of the user stream as sent, numbered from 1 without a gap. */
export interface AccountEventRow {
  number: number;
  atMs: number;
  type: "executionReport" | "outboundAccountPosition";
  /** The event as JSON text. */
  payload: string;
}

/** One price that a ticker or a synthetic market showed. */
export interface TickRow {
  id: number;
  price: string;
  size: string;
  atMs: number;
}

/** Where the market stands. A replay counts bars and points; a ticker counts its trades. */
export interface CursorRow {
  step: number;
  bar: number;
  points: number;
  lastTradeId: number;
  lastPrice: string | null;
  nowMs: number;
}

/** All a market is, as its file holds it. */
export interface LedgerState {
  cursor: CursorRow;
  orders: VenueOrderRow[];
  fills: VenueFillRow[];
  balances: BalanceRow[];
  entryCount: number;
  eventCount: number;
}

/** What one commit writes. */
export interface Changes {
  orders: Set<VenueOrderRow>;
  fills: VenueFillRow[];
  balances: Set<BalanceRow>;
  entries: LedgerEntry[];
  events: AccountEventRow[];
  ticks: TickRow[];
  /** Bars of a synthetic market that are new or have changed. */
  candles: CandleRow[];
  /** Orders, fills and ticks that were written before are gone. */
  isAnew: boolean;
}

export function noChanges(): Changes {
  return {
    orders: new Set(),
    fills: [],
    balances: new Set(),
    entries: [],
    events: [],
    ticks: [],
    candles: [],
    isAnew: false,
  };
}

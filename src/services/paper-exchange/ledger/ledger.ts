import { accountPosition, type Execution, executionReport } from "#services/paper-exchange/protocol/frames.ts";
import { REFUSALS, type Refusal } from "#services/paper-exchange/protocol/refusal.ts";
import { Decimal, decimal, floorToStep, plain, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { OrderStyle } from "#shared/domain/signal.ts";
import { createMatcher, isMarketable, type MatchedFill, type MatcherOrder } from "#shared/matching/matcher.ts";
import { canSettle } from "#shared/matching/settlement.ts";
import { type Account, createAccount } from "./account.ts";
import { checkFilters } from "./filters.ts";
import {
  type AccountEventRow,
  type BalanceRow,
  type Changes,
  type LedgerState,
  noChanges,
  type OrderStatus,
  type VenueFillRow,
  type VenueOrderRow,
} from "./ledger-types.ts";
import type { Placement } from "./placement.ts";

/**
 * Orders, fills and balances of a market's account. Each method changes what is in memory and notes the changes; `take`
 * hands them over to be committed, before anyone is told. Order states: NEW (open) to FILLED, CANCELED or EXPIRED (IOC and
 * FOK not marketable; a market buy that its fill's price makes too dear: it expires whole, as INSUFFICIENT_BALANCE).
 */
export interface Ledger {
  place(placement: Placement, at: { nowMs: number; lastPrice: string | null }): VenueOrderRow | Refusal;
  /** An open order that nobody hears of any more, and that never executes. */
  forget(order: VenueOrderRow, nowMs: number): void;
  /** Which executions are cut by half, so that their order ends EXPIRED_IN_MATCH; null: none. */
  cuts: CutRule | null;
  /** Another commission than the instrument's; null: the instrument's. */
  charge: CommissionRule | null;
  /** The order has to be open. */
  cancel(order: VenueOrderRow, cancelId: string, nowMs: number): void;
  /** Shows one price. Gives what happened to the account, in order. */
  show(price: string, atMs: number): readonly AccountEventRow[];
  take(): Changes;
  order(id: number): VenueOrderRow | undefined;
  /** The newest order with this client order id. */
  orderByClientId(clientOrderId: string): VenueOrderRow | undefined;
  readonly orders: readonly VenueOrderRow[];
  readonly open: ReadonlyMap<number, VenueOrderRow>;
  /** Orders that ended, in the order they did: number n at index n - 1. */
  readonly terminal: readonly VenueOrderRow[];
  readonly fills: readonly VenueFillRow[];
  readonly balances: readonly BalanceRow[];
}

/** What a venue owns before its first event: entries for each asset, and for base and quote a balance even of zero. */
export function deposit(account: Account, changes: Changes, balances: Record<string, string>, atMs: number): void {
  for (const [asset, size] of Object.entries(balances))
    account.book(changes, { asset, delta: decimal(size), reason: "deposit", tradeId: null, atMs });
}

export interface LedgerOptions {
  /** What the account owns before its first event. */
  deposits?: { balances: Record<string, string>; atMs: number };
  /** How long an order is on its way until it can meet a price, in milliseconds of the prices' time; 0: not at all. */
  latencyMs?: number;
}

/** What an execution pays, as a share of what is received in the asset; null: what the instrument says. */
export type CommissionRule = (fill: MatchedFill) => { share: string; asset: string } | null;

/** Whether the execution of an order is cut. */
export type CutRule = (order: VenueOrderRow) => boolean;

/** `rules`: the instrument as it is now; names and assets never change. */
export function createLedger(rules: () => Instrument, loaded: LedgerState, more: LedgerOptions = {}): Ledger {
  return new AccountLedger(rules, loaded, more);
}

class AccountLedger implements Ledger {
  readonly orders: VenueOrderRow[];
  readonly open = new Map<number, VenueOrderRow>();
  readonly terminal: VenueOrderRow[];
  readonly fills: VenueFillRow[];
  private readonly newest = new Map<string, VenueOrderRow>();
  private readonly account: Account;
  private readonly matcher;
  private changes = noChanges();
  private readonly latencyMs: number;
  /** Orders on their way to the book, by the time from which they are there. */
  private readonly onTheWay = new Map<number, number>();
  charge: CommissionRule | null = null;
  cuts: CutRule | null = null;
  private eventCount: number;

  constructor(
    private readonly rules: () => Instrument,
    loaded: LedgerState,
    { deposits, latencyMs = 0 }: LedgerOptions,
  ) {
    this.latencyMs = latencyMs;
    this.orders = loaded.orders;
    this.fills = loaded.fills;
    this.eventCount = loaded.eventCount;
    this.account = createAccount(loaded.balances, loaded.entryCount);
    this.matcher = createMatcher({ instrument: rules() });
    for (const order of this.orders) this.admit(order);
    this.terminal = this.orders
      .filter((order) => order.terminalNumber !== null)
      .toSorted((one, other) => (one.terminalNumber ?? 0) - (other.terminalNumber ?? 0));
    if (deposits !== undefined) deposit(this.account, this.changes, deposits.balances, deposits.atMs);
  }

  get balances(): readonly BalanceRow[] {
    return this.account.balances;
  }

  order(id: number): VenueOrderRow | undefined {
    const order = this.orders[id - 1];
    return order?.status === "FORGOTTEN" ? undefined : order;
  }

  orderByClientId(clientOrderId: string): VenueOrderRow | undefined {
    return this.newest.get(clientOrderId);
  }

  take(): Changes {
    const taken = this.changes;
    this.changes = noChanges();
    return taken;
  }

  place(placement: Placement, at: { nowMs: number; lastPrice: string | null }): VenueOrderRow | Refusal {
    const clientOrderId = placement.clientOrderId ?? `paper-${crypto.randomUUID().slice(0, 23)}`;
    const refusal = this.check(placement, clientOrderId, at.lastPrice);
    if (refusal !== null) return refusal;
    const asset = this.assetOf(placement.side);
    const locked = lockOf(placement);
    const order: VenueOrderRow = {
      id: this.orders.length + 1,
      clientOrderId,
      side: placement.side,
      type: placement.type,
      timeInForce: placement.timeInForce,
      price: placement.price,
      size: placement.size,
      filled: "0",
      quote: "0",
      status: "NEW",
      reason: null,
      locked: plain(locked),
      resting: placement.type === "LIMIT_MAKER",
      terminalNumber: null,
      createdAtMs: at.nowMs,
      updatedAtMs: at.nowMs,
    };
    this.orders.push(order);
    this.admit(order);
    if (!locked.isZero()) this.account.lock(this.changes, asset, locked);
    this.changes.orders.add(order);
    this.report({ order, type: "NEW", atMs: at.nowMs });
    if (!locked.isZero()) this.reportBalances(at.nowMs);
    return order;
  }

  forget(order: VenueOrderRow, nowMs: number): void {
    this.matcher.cancel(String(order.id));
    this.end(order, "FORGOTTEN", nowMs);
    const isKnown = ({ clientOrderId, status }: VenueOrderRow) =>
      clientOrderId === order.clientOrderId && status !== "FORGOTTEN";
    const before = this.orders.findLast(isKnown);
    if (before === undefined) this.newest.delete(order.clientOrderId);
    else this.newest.set(order.clientOrderId, before);
  }

  cancel(order: VenueOrderRow, cancelId: string, nowMs: number): void {
    this.matcher.cancel(String(order.id));
    this.end(order, "CANCELED", nowMs);
    this.report({ order, type: "CANCELED", cancelId, atMs: nowMs });
    this.reportBalances(nowMs);
  }

  show(price: string, atMs: number): readonly AccountEventRow[] {
    this.arrive(atMs);
    if (this.matcher.restingCount === 0) return [];
    const before = this.changes.events.length;
    for (const fill of this.matcher.show(decimal(price), atMs)) this.settle(fill);
    for (const orderId of this.matcher.expired) this.expire(Number(orderId), "NONE", atMs);
    for (const order of this.open.values()) {
      if (order.resting || this.onTheWay.has(order.id)) continue;
      order.resting = true;
      this.changes.orders.add(order);
    }
    return this.changes.events.slice(before);
  }

  private arrive(atMs: number): void {
    for (const [id, fromMs] of this.onTheWay) {
      const order = this.open.get(id);
      if (order !== undefined && fromMs > atMs) continue;
      this.onTheWay.delete(id);
      if (order !== undefined) this.matcher.submit(matcherOrderOf(order));
    }
  }

  private check(placement: Placement, clientOrderId: string, lastPrice: string | null): Refusal | null {
    const filtered = checkFilters(placement, {
      instrument: this.rules(),
      lastPrice,
      openOrders: this.open.size,
    });
    if (filtered !== null) return filtered;
    if (this.newest.get(clientOrderId)?.status === "NEW") return REFUSALS.duplicateOrder;
    const { side, type, price, size } = placement;
    if (type === "LIMIT_MAKER" && lastPrice !== null && isMarketable(side, decimal(price), decimal(lastPrice)))
      return REFUSALS.wouldTake;
    const free = this.account.free(this.assetOf(side));
    const wanted = side === "BUY" && type === "MARKET" ? decimal(size).times(lastPrice ?? "0") : lockOf(placement);
    return wanted.gt(free) ? REFUSALS.insufficientBalance : null;
  }

  private admit(order: VenueOrderRow): void {
    if (order.status !== "FORGOTTEN") this.newest.set(order.clientOrderId, order);
    if (order.status !== "NEW") return;
    this.open.set(order.id, order);
    if (this.latencyMs > 0 && !order.resting) this.onTheWay.set(order.id, order.createdAtMs + this.latencyMs);
    else this.matcher.submit(matcherOrderOf(order));
  }

  private assetOf(side: "BUY" | "SELL"): string {
    return side === "BUY" ? this.rules().quote : this.rules().base;
  }

  private settle(matched: MatchedFill): void {
    const order = this.orders[Number(matched.orderId) - 1];
    if (order === undefined) throw new Error(`A fill of an order that is not here: ${matched.orderId}.`);
    const half = this.cuts?.(order) === true ? halved(matched, this.rules()) : null;
    const isCut = half !== null;
    const traded = half ?? matched;
    const own = decimal(order.locked);
    const { base: baseAsset, quote: quoteAsset } = this.rules();
    const [base, quote] = [this.account.free(baseAsset), this.account.free(quoteAsset)];
    const available = traded.side === "BUY" ? { base, quote: quote.plus(own) } : { base: base.plus(own), quote };
    if (!canSettle(traded, available)) {
      this.expire(order.id, "INSUFFICIENT_BALANCE", traded.atMs);
      return;
    }
    const fill = this.charged(traded, available);
    order.filled = plain(decimal(order.filled).plus(fill.size));
    order.quote = plain(decimal(order.quote).plus(fill.quote));
    const row = this.record(order, fill);
    this.end(order, isCut ? "EXPIRED_IN_MATCH" : "FILLED", fill.atMs);
    this.book(fill, row.tradeId);
    const shown = isCut ? "PARTIALLY_FILLED" : "FILLED";
    this.report({ order, shown, type: "TRADE", fill: row, atMs: fill.atMs });
    if (isCut) this.report({ order, type: "TRADE_PREVENTION", atMs: fill.atMs });
    this.reportBalances(fill.atMs);
  }

  /** The fill with what it really pays. `available`: before it. */
  private charged(fill: MatchedFill, available: { base: Decimal; quote: Decimal }): MatchedFill {
    const rule = this.charge?.(fill) ?? null;
    if (rule === null) return fill;
    const { base, feeDecimals } = this.rules();
    const spent = fill.side === "BUY" ? this.rules().quote : base;
    const leftOfSpent = fill.side === "BUY" ? available.quote.minus(fill.quote) : available.base.minus(fill.size);
    // What a third asset is worth is not known here: one unit of it stands for one of the quote asset.
    const received = rule.asset === base ? fill.size : fill.quote;
    const fee = received.times(rule.share).toDecimalPlaces(feeDecimals, Decimal.ROUND_DOWN);
    // As at the venues: who cannot pay in another asset pays the usual commission.
    const left = rule.asset === spent ? leftOfSpent : this.account.free(rule.asset);
    const isOther = rule.asset !== fill.feeAsset;
    return isOther && fee.gt(left) ? fill : { ...fill, fee, feeAsset: rule.asset };
  }

  private record(order: VenueOrderRow, fill: MatchedFill): VenueFillRow {
    const row: VenueFillRow = {
      tradeId: (this.fills.at(-1)?.tradeId ?? 0) + 1,
      orderId: order.id,
      clientOrderId: order.clientOrderId,
      side: order.side,
      price: plain(fill.price),
      size: plain(fill.size),
      quote: plain(fill.quote),
      fee: plain(fill.fee),
      feeAsset: fill.feeAsset,
      maker: fill.maker,
      atMs: fill.atMs,
    };
    this.fills.push(row);
    this.changes.fills.push(row);
    return row;
  }

  private book(fill: MatchedFill, tradeId: number): void {
    const { base, quote } = this.rules();
    const sign = fill.side === "BUY" ? 1 : -1;
    const at = { tradeId, atMs: fill.atMs };
    this.account.book(this.changes, { asset: base, delta: fill.size.times(sign), reason: "trade", ...at });
    this.account.book(this.changes, { asset: quote, delta: fill.quote.times(-sign), reason: "trade", ...at });
    this.account.book(this.changes, { asset: fill.feeAsset, delta: fill.fee.neg(), reason: "fee", ...at });
  }

  private expire(orderId: number, reason: string, atMs: number): void {
    const order = this.orders[orderId - 1];
    if (order === undefined) throw new Error(`An order that is not here expired: ${orderId}.`);
    order.reason = reason === "NONE" ? null : reason;
    this.end(order, "EXPIRED", atMs);
    this.report({ order, type: "EXPIRED", atMs });
    this.reportBalances(atMs);
  }

  private end(order: VenueOrderRow, status: Exclude<OrderStatus, "NEW">, atMs: number): void {
    const locked = decimal(order.locked);
    if (!locked.isZero()) this.account.unlock(this.changes, this.assetOf(order.side), locked);
    this.terminal.push(order);
    Object.assign(order, { status, locked: "0", terminalNumber: this.terminal.length, updatedAtMs: atMs });
    this.open.delete(order.id);
    this.changes.orders.add(order);
  }

  private report(execution: Omit<Execution, "number" | "symbol">): void {
    const number = this.eventCount + 1;
    const event = executionReport({ ...execution, number, symbol: this.rules().venueSymbol });
    this.event("executionReport", event, execution.atMs);
  }

  private reportBalances(atMs: number): void {
    this.event("outboundAccountPosition", accountPosition(this.account.balances, atMs), atMs);
  }

  private event(type: AccountEventRow["type"], event: object, atMs: number): void {
    this.eventCount += 1;
    this.changes.events.push({ number: this.eventCount, atMs, type, payload: JSON.stringify(event) });
  }
}

/** Half of a fill, down to the size step. Null: half would be nothing. */
function halved(fill: MatchedFill, { sizeStep, feeDecimals }: Instrument): MatchedFill | null {
  const half = floorToStep(fill.size.div(2), decimal(sizeStep));
  if (half.isZero()) return null;
  const share = half.div(fill.size);
  const fee = fill.fee.times(share).toDecimalPlaces(feeDecimals, Decimal.ROUND_DOWN);
  return { ...fill, size: half, quote: half.times(fill.price), fee, closesOrder: false };
}

/** What an open order keeps from others: a sell its size, a limit buy its size at its limit; a market buy has no price yet. */
function lockOf({ side, type, price, size }: Placement): Decimal {
  if (side === "SELL") return decimal(size);
  return type === "MARKET" ? ZERO : decimal(size).times(price);
}

function matcherOrderOf(order: VenueOrderRow): MatcherOrder {
  const style: OrderStyle =
    order.type === "MARKET"
      ? { type: "MARKET" }
      : { type: "LIMIT", price: order.price, timeInForce: order.timeInForce };
  return { orderId: String(order.id), side: order.side, style, size: decimal(order.size), resting: order.resting };
}

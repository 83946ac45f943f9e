import { haltForNewIds } from "#services/order-position-tracker/account/new-ids.ts";
import { alerts } from "#services/order-position-tracker/alerts.ts";
import type { KnownInstruments } from "#services/order-position-tracker/known-instruments.ts";
import { entriesOf } from "#services/order-position-tracker/money/ledger.ts";
import { positionEvent, toPosition } from "#services/order-position-tracker/money/told-position.ts";
import { noteSecondOrder } from "#services/order-position-tracker/orders/order-store.ts";
import { reportFault, sessionScope } from "#services/order-position-tracker/session/fault-watch.ts";
import { moneyOf } from "#shared/accounting/book.ts";
import { closableSize } from "#shared/accounting/flat.ts";
import { applyToPosition, type PositionState } from "#shared/accounting/position.ts";
import { clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { OutgoingEvent } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import { decimal, normalize, plain } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { type Fill, fillSchema, type Order } from "#shared/domain/order.ts";
import type { Position } from "#shared/domain/position.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { VenueFill, VenueOrder } from "#shared/exchange/exchange.ts";
import { event, ORDERS, POSITIONS } from "#shared/messages/topics.ts";
import { codedReason } from "#shared/orders/coded-reason.ts";
import { applyOrderEvent, type OrderAlert, type OrderEvent, type TrackedOrder } from "#shared/orders/order-state.ts";
import { readVenueOrder } from "#shared/orders/venue-state.ts";
import type { Deps } from "#shared/service/service.ts";
import { type Batch, type Books, lockBooks, type OrderKeys, type SaidFill, writeBooks } from "./book-store.ts";
import { keepUnbooked } from "./unbooked.ts";
import { claimUnbooked } from "./unbooked-store.ts";

/** What a venue said about an account, with the instruments it spoke of. Made outside of the transaction. */
export interface ExecutionReport {
  accountId: string;
  orders: readonly VenueOrder[];
  fills: readonly VenueFill[];
  /** Fills that no book takes: something of them is not as every fill is. */
  unbookable: readonly { fill: VenueFill; reason: string }[];
  instruments: ReadonlyMap<string, Instrument>;
}

/** What came of a report. */
export interface Recorded {
  /** Our orders that were spoken of, as they are now. */
  orders: ReadonlyMap<string, Order>;
  /** The new fills of our orders. */
  fills: readonly { fill: Fill; order: Order }[];
  /** What the venue has executed more of than it told here, or than could be booked. */
  incomplete: readonly VenueOrder[];
  /** What belongs to no order of ours. */
  foreign: { orders: readonly VenueOrder[]; fills: readonly VenueFill[] };
}

interface RecordOptions {
  /** When an order of the report was sent: its stamp is written with it. */
  sent?: { orderId: string; atMs: number } | undefined;
  /** No alert about what can not be booked. */
  silent?: boolean;
  /** It is from the venue's lists, which garble nothing: an order does not wait for what they tell and nobody can book. */
  listed?: boolean;
}

export interface Recorder {
  /** Looks up the instruments that a report speaks of. */
  prepare(
    accountId: string,
    said: { orders?: readonly VenueOrder[]; fills?: readonly VenueFill[] },
  ): Promise<ExecutionReport>;
  /**
   * Books a report: the one path for the user stream, answers and lists. Fills come before states. All that comes of it is
   * written in the transaction, with its events. What was booked before changes nothing. What can not be booked is kept as it
   * was told, and a person is told of it.
   */
  record(tx: Tx, report: ExecutionReport, how?: RecordOptions): Promise<Recorded>;
  /**
   * Changes the state of an order, and publishes it. The order is locked, or has no row yet (`isNew`). `patch`: what else of it
   * changes. It is written without being waited for: where that fails, the transaction does.
   */
  change(tx: Tx, order: Order, event: OrderEvent, how?: { isNew?: boolean; patch?: Partial<Order> }): Promise<Order>;
  /** Writes an order whose state stays as it is, and publishes nothing. */
  note(tx: Tx, order: Order, isNew: boolean): void;
}

type RecordDeps = Pick<Deps, "bus" | "clock" | "db" | "log" | "exchanges">;

const bookable = fillSchema.pick({ side: true, price: true, size: true, fee: true, atMs: true });

/** Why a fill can not be booked, whosever it is; null: it can. */
function whyUnbookable(fill: VenueFill): string | null {
  const read = bookable.safeParse(fill);
  return read.success ? null : read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
}

/** The fills of a report whose instruments are known here. */
function saidFills({ fills, instruments }: ExecutionReport): SaidFill[] {
  return fills.flatMap((fill) => {
    const instrument = instruments.get(fill.venueSymbol);
    return instrument === undefined ? [] : [{ ...fill, instrumentId: instrument.id }];
  });
}

/** What fails here is noticed again with the next comparison. */
function halt(deps: RecordDeps, accountId: string, instrumentId: string): void {
  haltForNewIds(deps, accountId, instrumentId).catch((error: unknown) => {
    deps.log.warn({ accountId, reason: messageOf(error) }, "account not halted yet");
  });
}

export function createRecorder(deps: RecordDeps, instruments: KnownInstruments): Recorder {
  return {
    async prepare(accountId, { orders = [], fills = [] }) {
      const { venue } = deps.exchanges.account(accountId);
      const symbols = new Set([...orders, ...fills].map(({ venueSymbol }) => venueSymbol));
      const found = new Map<string, Instrument>();
      for (const symbol of symbols) {
        const instrument = await instruments.bySymbol(venue, symbol);
        if (instrument !== null) found.set(symbol, instrument);
      }
      const unbookable = fills.flatMap((fill) => {
        const reason = whyUnbookable(fill);
        return reason === null ? [] : [{ fill, reason }];
      });
      const rest = fills.filter((fill) => unbookable.every((one) => one.fill !== fill));
      return { accountId, orders, fills: rest, unbookable, instruments: found };
    },
    async record(tx, report, { sent, silent = false, listed = false } = {}) {
      const books = await lockBooks(tx, keysOf(report), saidFills(report));
      const { anew } = books;
      if (anew !== null) tx.afterCommit(() => halt(deps, report.accountId, anew));
      // Whose they are cannot be said: they are booked from the venue's list, in a new era.
      const told = anew === null ? report : { ...report, fills: [] };
      const recording = new Recording(tx, deps, { report: told, books });
      for (const { fill, reason } of report.unbookable) {
        const { tradeId, venueOrderId } = fill;
        const row = { tradeId, venueOrderId, raw: JSON.stringify(fill), reason };
        const instrument = report.instruments.get(fill.venueSymbol);
        const kept = { accountId: report.accountId, row, silent, listed };
        if (instrument !== undefined) await keepUnbooked(tx, deps, { ...kept, instrument });
      }
      recording.bookFills();
      recording.takeStates();
      if (recording.incomplete.length > 0) await recording.takeIncomplete();
      if (sent !== undefined) recording.stamp(sent.orderId, sent.atMs);
      return recording.write();
    },
    async change(tx, order, orderEvent, { isNew = false, patch = {} } = {}) {
      const atMs = deps.clock.nowMs();
      const change = applyOrderEvent({ order, filledQuote: "0", tradeIds: new Set() }, orderEvent);
      if (change.kind === "refused") logRefused(tx, deps, order.id, change);
      if (change.kind !== "changed") return order;
      const changed = { ...change.tracked.order, ...patch };
      deps.bus.publish(tx, [
        event(ORDERS, order.sessionId, "order.changed", { from: change.from, order: changed }, linksFrom(order)),
      ]);
      const { from } = change;
      void writeBooks(tx, atMs, {
        ...rowOf(changed, isNew),
        events: [{ type: "order.changed", from, order: changed }],
      });
      return changed;
    },
    note: (tx, order, isNew) => void writeBooks(tx, deps.clock.nowMs(), rowOf(order, isNew)),
  };
}

function rowOf(order: Order, isNew: boolean): Batch {
  return isNew ? { newOrders: [order] } : { orders: [{ order, filledQuote: null }] };
}

function logRefused(tx: Tx, { log }: RecordDeps, orderId: string, { from, to }: { from: string; to: string }): void {
  tx.afterCommit(() => log.warn({ orderId, from, to }, "order change refused"));
}

/** An order's first change is caused by its decision, which is no event of it. */
function linksFrom(order: Order) {
  return order.state === "INITIALIZED" ? { correlationId: order.signalId } : links(order);
}

function links(order: Order) {
  return { correlationId: order.signalId, causationId: order.id };
}

function keysOf({ accountId, orders, fills, instruments }: ExecutionReport): OrderKeys {
  const clientOrderIds = [...orders, ...fills].map((one) => one.clientOrderId).filter((id) => id !== undefined);
  return {
    accountId,
    clientOrderIds: [...new Set(clientOrderIds)],
    instrumentIds: [...instruments.values()].map(({ id }) => id),
    venueOrderIds: [
      ...new Set(fills.filter((fill) => fill.clientOrderId === undefined).map((fill) => fill.venueOrderId)),
    ],
  };
}

/** One report on its way into the database: changes are made in memory, then written together. */
class Recording {
  private readonly tracked = new Map<string, TrackedOrder>();
  private readonly touched = new Set<string>();
  /** Positions that changed, as they are and as they are told, by session and instrument. */
  private readonly positions = new Map<string, { state: PositionState; told: Position }>();
  private readonly booked: { fill: Fill; order: Order }[] = [];
  private readonly foreign = { orders: [] as VenueOrder[], fills: [] as VenueFill[] };
  private readonly events: OutgoingEvent[] = [];
  private readonly changes: NonNullable<Batch["events"]>[number][] = [];
  private readonly entries: NonNullable<Batch["entries"]>[number][] = [];
  /** What a person is told of, behind all that is written. */
  private readonly alerts: (() => Promise<unknown>)[] = [];
  incomplete: readonly VenueOrder[] = [];
  private readonly atMs: number;

  constructor(
    private readonly tx: Tx,
    private readonly deps: RecordDeps,
    private readonly input: { report: ExecutionReport; books: Books },
  ) {
    this.atMs = deps.clock.nowMs();
    for (const tracked of input.books.orders) this.tracked.set(tracked.order.id, tracked);
  }

  bookFills(): void {
    for (const said of this.input.report.fills) {
      const instrument = this.input.report.instruments.get(said.venueSymbol);
      const tracked = this.find(said, instrument);
      if (tracked === undefined || instrument === undefined) this.foreign.fills.push(said);
      else {
        this.checkOnce(tracked, said);
        this.apply(
          tracked,
          { kind: "fill", fill: fillOf(said, tracked.order), venueOrderId: said.venueOrderId },
          instrument,
        );
      }
    }
  }

  takeStates(): void {
    for (const said of this.input.report.orders) {
      const instrument = this.input.report.instruments.get(said.venueSymbol);
      const tracked = this.find(said, instrument);
      if (tracked === undefined || instrument === undefined) {
        this.foreign.orders.push(said);
        continue;
      }
      // The other order's state is not this one's; what it executes is booked from its fills.
      if (this.checkOnce(tracked, said)) continue;
      const reading = readVenueOrder(tracked.order, said);
      if (reading.kind === "fills-missing") this.incomplete = [...this.incomplete, said];
      if (reading.kind === "event") this.apply(tracked, reading.event, instrument);
    }
  }

  /** Where what is missing can not be booked, the order is not kept waiting for it. */
  async takeIncomplete(): Promise<void> {
    const waiting: VenueOrder[] = [];
    for (const said of this.incomplete) {
      const instrument = this.input.report.instruments.get(said.venueSymbol);
      const tracked = this.find(said, instrument);
      if (instrument === undefined || tracked === undefined) continue;
      if (!(await claimUnbooked(this.tx, tracked.order, said.venueOrderId))) {
        waiting.push(said);
        continue;
      }
      const reading = readVenueOrder(tracked.order, said, true);
      if (reading.kind === "event") this.apply(tracked, reading.event, instrument);
    }
    this.incomplete = waiting;
  }

  /** Whether the venue speaks of a second order of the intent. Told once, and the session goes no further. */
  private checkOnce({ order }: TrackedOrder, said: VenueOrder | VenueFill): boolean {
    const { id: orderId, sessionId, accountId, clientOrderId, venueOrderId } = order;
    if (venueOrderId === null || venueOrderId === said.venueOrderId) return false;
    const text = `The venue has two orders of our intent ${clientOrderId}: ${venueOrderId} and ${said.venueOrderId}. What both execute is booked.`;
    const data = { orderId, sessionId, accountId, clientOrderId, venueOrderIds: [venueOrderId, said.venueOrderId] };
    this.alerts.push(async () => {
      // The order remembers it, since a person may clear the alert, and the venue may say it again.
      if (!(await noteSecondOrder(this.tx, orderId, said.venueOrderId))) return;
      await raiseAlert(this.tx, this.deps, { scope: `order:${orderId}`, kind: alerts.DOUBLE_EXECUTION, text, data });
      await reportFault(this.tx, this.deps, { sessionId, reason: codedReason("DOUBLE_EXECUTION", text) });
    });
    return true;
  }

  stamp(orderId: string, sentAtMs: number): void {
    const tracked = this.tracked.get(orderId);
    if (tracked === undefined) return;
    this.tracked.set(orderId, { ...tracked, order: { ...tracked.order, sentAtMs } });
    this.touched.add(orderId);
  }

  async write(): Promise<Recorded> {
    const orders = [...this.tracked.values()].filter(({ order }) => this.touched.has(order.id));
    if (orders.length > 0) {
      void writeBooks(this.tx, this.atMs, {
        orders,
        events: this.changes,
        fills: this.booked.map(({ fill }) => fill),
        positions: [...this.positions.values()].map(({ told }) => told),
        entries: this.entries,
      });
    }
    if (this.events.length > 0) this.deps.bus.publish(this.tx, this.events);
    await Promise.all(this.alerts.map((tell) => tell()));
    const now = new Map([...this.tracked].map(([id, { order }]) => [id, order]));
    return { orders: now, fills: this.booked, incomplete: this.incomplete, foreign: this.foreign };
  }

  private find(said: VenueOrder | VenueFill, instrument: Instrument | undefined): TrackedOrder | undefined {
    for (const tracked of this.tracked.values()) {
      const { clientOrderId, venueOrderId, instrumentId } = tracked.order;
      if (said.clientOrderId === undefined) {
        if (venueOrderId === said.venueOrderId && instrumentId === instrument?.id) return tracked;
      } else if (clientOrderId === said.clientOrderId) return tracked;
    }
    return undefined;
  }

  private apply(tracked: TrackedOrder, orderEvent: OrderEvent, instrument: Instrument): void {
    const change = applyOrderEvent(tracked, orderEvent);
    const { id } = tracked.order;
    if (change.kind === "refused") {
      logRefused(this.tx, this.deps, id, change);
      return;
    }
    for (const alert of change.alerts) this.alert(tracked.order, alert);
    if (change.kind === "same") return;
    const { order } = change.tracked;
    this.tracked.set(id, change.tracked);
    this.touched.add(id);
    const { from } = change;
    if (orderEvent.kind === "fill") this.bookMoney(order, from, orderEvent.fill, instrument);
    else {
      this.events.push(event(ORDERS, order.sessionId, "order.changed", { from, order }, links(order)));
      this.changes.push({ type: "order.changed", from, order });
    }
  }

  private bookMoney(order: Order, from: Order["state"], fill: Fill, instrument: Instrument): void {
    const { sessionId, accountId, instrumentId } = order;
    const key = `${sessionId} ${instrumentId}`;
    const before = this.positions.get(key)?.state ?? this.input.books.position(sessionId, instrumentId);
    const after = applyToPosition(before, moneyOf(fill), instrument);
    const position = toPosition(after, { sessionId, accountId, instrumentId, updatedAtMs: fill.atMs });
    this.positions.set(key, { state: after, told: position });
    this.booked.push({ fill, order });
    this.events.push(
      event(ORDERS, sessionId, "order.filled", { from, order, fill }, links(order)),
      event(POSITIONS, sessionId, positionEvent(before.size, after.size), position, links(order)),
    );
    const reference = `${instrumentId}:${fill.tradeId}`;
    this.changes.push({ type: "order.filled", from, order, fill });
    for (const entry of entriesOf(fill, instrument))
      this.entries.push({ ...entry, sessionId, accountId, reference, atMs: fill.atMs });
    this.watchBelowZero(order, { before, after });
    if (!this.input.books.faulted.has(sessionId)) return;
    if (after.size.lte(0) || closableSize({ size: after.size, mark: decimal(fill.price), instrument }) === null) {
      const alert = { scope: sessionScope(sessionId), kind: alerts.FAULTED_WITH_POSITION };
      this.alerts.push(() => clearAlert(this.tx, this.deps, alert));
    }
  }

  /** More was sold than the session had, as by a second execution, or a fee that was taken from what it had to sell. */
  private watchBelowZero(
    { sessionId, accountId, instrumentId }: Order,
    { before, after }: { before: PositionState; after: PositionState },
  ): void {
    const alert = { scope: sessionScope(sessionId), kind: alerts.POSITION_BELOW_ZERO };
    if (!after.size.isNegative()) {
      if (before.size.isNegative()) this.alerts.push(() => clearAlert(this.tx, this.deps, alert));
      return;
    }
    const text = `The session has sold more of ${instrumentId} than it had: its position is ${plain(after.size)}. What it lacks was the account's, or another session's; buy it back at the venue.`;
    const data = { sessionId, accountId, instrumentId };
    this.alerts.push(() => raiseAlert(this.tx, this.deps, { ...alert, text, data }));
  }

  private alert(order: Order, code: OrderAlert): void {
    const { id: orderId, sessionId, state, clientOrderId } = order;
    const kind = alerts[code];
    const text = `${kind.meaning} It is the order ${clientOrderId}.`;
    const alert = { scope: `order:${orderId}`, kind, text, data: { orderId, sessionId, state } };
    this.alerts.push(() => raiseAlert(this.tx, this.deps, alert));
  }
}

function fillOf(said: VenueFill, order: Order): Fill {
  const { tradeId, feeAsset, maker, atMs } = said;
  const { id: orderId, sessionId, accountId, instrumentId, side } = order;
  const amounts = { price: normalize(said.price), size: normalize(said.size), fee: normalize(said.fee) };
  return { tradeId, orderId, sessionId, accountId, instrumentId, side, ...amounts, feeAsset, maker, atMs };
}

import { moneyOf } from "#shared/accounting/book.ts";
import { closableSize } from "#shared/accounting/flat.ts";
import { applyToPosition, type PositionState } from "#shared/accounting/position.ts";
import { ALERT_KINDS } from "#shared/alerts/alert-codes.ts";
import { clearAlert, raiseAlert } from "#shared/alerts/alerts.ts";
import type { OutgoingEvent } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import { decimal, normalize, plain } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { type Fill, fillSchema, type Order } from "#shared/domain/order.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { VenueFill, VenueOrder } from "#shared/exchange/exchange.ts";
import { event, ORDERS, POSITIONS } from "#shared/messages/topics.ts";
import { applyOrderEvent, type OrderAlert, type OrderEvent, type TrackedOrder } from "#shared/orders/order-state.ts";
import { readVenueOrder } from "#shared/orders/venue-state.ts";
import type { Deps } from "#shared/service/service.ts";
import { reportFault, sessionScope } from "./fault-watch.ts";
import type { Instruments } from "./instruments.ts";
import { entriesOf } from "./ledger.ts";
import { lockMoney, positionEvent, toPosition, upsertPosition, writeEntry } from "./money-store.ts";
import { haltForNewIds, idsBeganAnew } from "./new-ids.ts";
import { insertFill, insertOrderEvent, lockOrders, type OrderKeys, updateOrder } from "./order-store.ts";
import { claimUnbooked, keepUnbooked } from "./unbooked.ts";

/** What a venue said about an account, with the instruments it spoke of. Made outside of the transaction. */
export interface VenueWord {
  accountId: string;
  orders: readonly VenueOrder[];
  fills: readonly VenueFill[];
  /** Fills that no book takes: something of them is not as every fill is. */
  unbookable: readonly { fill: VenueFill; reason: string }[];
  instruments: ReadonlyMap<string, Instrument>;
}

/** What came of a word. */
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
  sent?: { orderId: string; atMs: number } | undefined;
  silent?: boolean;
  listed?: boolean;
}

export interface Recorder {
  /** Looks up the instruments that a word speaks of. */
  hear(accountId: string, said: { orders?: readonly VenueOrder[]; fills?: readonly VenueFill[] }): Promise<VenueWord>;
  /**
   * Books a word, fills before states: the one path for user stream, answers and queries. Order, fills, position, ledger
   * and events are one with the transaction; what was booked before changes nothing. What can not be booked is kept as it
   * was told, with an alert but where it is `silent`; an order does not wait for it once the venue's list (`listed`) has it so.
   * `sent` adds a stamp to an order.
   */
  record(tx: Tx, word: VenueWord, how?: RecordOptions): Promise<Recorded>;
  /** Changes an order that is locked, with its event. */
  change(tx: Tx, order: Order, event: OrderEvent, patch?: Partial<Order>): Promise<Order>;
}

type RecordDeps = Pick<Deps, "bus" | "clock" | "db" | "log" | "exchanges">;

const bookable = fillSchema.pick({ side: true, price: true, size: true, fee: true, atMs: true });

/** Why a fill can not be booked, whosever it is; null: it can. */
function whyUnbookable(fill: VenueFill): string | null {
  const read = bookable.safeParse(fill);
  return read.success ? null : read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
}

/** The instrument of a word whose trade ids have begun anew. Null: none's have. */
async function newIdsOf(tx: Tx, { accountId, fills, instruments }: VenueWord): Promise<string | null> {
  const found = await Promise.all(
    [...instruments.values()].map(async (instrument) => {
      const own = fills.filter(({ venueSymbol }) => venueSymbol === instrument.venueSymbol);
      return (await idsBeganAnew(tx, { accountId, instrument, fills: own })) ? instrument.id : null;
    }),
  );
  return found.find((id) => id !== null) ?? null;
}

/** What fails here is noticed again with the next comparison. */
function halt(deps: RecordDeps, accountId: string, instrumentId: string): void {
  haltForNewIds(deps, accountId, instrumentId).catch((error: unknown) => {
    deps.log.warn({ accountId, reason: messageOf(error) }, "account not halted yet");
  });
}

export function createRecorder(deps: RecordDeps, instruments: Instruments): Recorder {
  return {
    async hear(accountId, { orders = [], fills = [] }) {
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
    async record(tx, word, { sent, silent = false, listed = false } = {}) {
      const keys = keysOf(word);
      const [locked, positionBefore, anew] = await Promise.all([
        lockOrders(tx, keys),
        lockMoney(tx, keys),
        newIdsOf(tx, word),
      ]);
      if (anew !== null) tx.afterCommit(() => halt(deps, word.accountId, anew));
      // Whose they are cannot be said: they are booked from the venue's list, in a new era.
      const told = anew === null ? word : { ...word, fills: [] };
      const recording = new Recording(tx, deps, { word: told, locked, positionBefore });
      for (const { fill, reason } of word.unbookable) {
        const { tradeId, venueOrderId } = fill;
        const row = { tradeId, venueOrderId, raw: JSON.stringify(fill), reason };
        const instrument = word.instruments.get(fill.venueSymbol);
        const kept = { accountId: word.accountId, row, silent, listed };
        if (instrument !== undefined) await keepUnbooked(tx, deps, { ...kept, instrument });
      }
      recording.bookFills();
      recording.takeStates();
      if (recording.incomplete.length > 0) await recording.takeIncomplete();
      if (sent !== undefined) recording.stamp(sent.orderId, sent.atMs);
      return recording.write();
    },
    async change(tx, order, orderEvent, patch = {}) {
      const atMs = deps.clock.nowMs();
      const change = applyOrderEvent({ order, filledQuote: "0", tradeIds: new Set() }, orderEvent);
      if (change.kind === "refused") logRefused(tx, deps, order.id, change);
      if (change.kind !== "changed") return order;
      const changed = { ...change.tracked.order, ...patch };
      deps.bus.publish(tx, [
        event(ORDERS, order.sessionId, "order.changed", { from: change.from, order: changed }, links(order)),
      ]);
      await Promise.all([
        updateOrder(tx, changed, null, atMs),
        insertOrderEvent(tx, { order: changed, type: "order.changed", from: change.from, atMs }),
      ]);
      return changed;
    },
  };
}

function logRefused(tx: Tx, { log }: RecordDeps, orderId: string, { from, to }: { from: string; to: string }): void {
  tx.afterCommit(() => log.warn({ orderId, from, to }, "order change refused"));
}

function links(order: Order) {
  return { correlationId: order.signalId, causationId: order.id };
}

function keysOf({ accountId, orders, fills, instruments }: VenueWord): OrderKeys {
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

interface RecordingInput {
  word: VenueWord;
  locked: readonly TrackedOrder[];
  positionBefore: (sessionId: string, instrumentId: string) => PositionState;
}

/** One word on its way into the database: changes are made in memory, then written together. */
class Recording {
  private readonly tracked = new Map<string, TrackedOrder>();
  private readonly touched = new Set<string>();
  private readonly positions = new Map<string, PositionState>();
  private readonly booked: { fill: Fill; order: Order }[] = [];
  private readonly foreign = { orders: [] as VenueOrder[], fills: [] as VenueFill[] };
  private readonly events: OutgoingEvent[] = [];
  private readonly writes: (() => Promise<unknown>)[] = [];
  incomplete: readonly VenueOrder[] = [];
  private readonly atMs: number;

  constructor(
    private readonly tx: Tx,
    private readonly deps: RecordDeps,
    private readonly input: RecordingInput,
  ) {
    this.atMs = deps.clock.nowMs();
    for (const tracked of input.locked) this.tracked.set(tracked.order.id, tracked);
  }

  bookFills(): void {
    for (const said of this.input.word.fills) {
      const instrument = this.input.word.instruments.get(said.venueSymbol);
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
    for (const said of this.input.word.orders) {
      const instrument = this.input.word.instruments.get(said.venueSymbol);
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
      const instrument = this.input.word.instruments.get(said.venueSymbol);
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
    this.writes.push(async () => {
      // The order remembers it, since a person may clear the alert, and the venue may say it again.
      const told = await this.tx.sql`
        update order_position_tracker.orders
        set other_venue_order_ids = array_append(other_venue_order_ids, ${said.venueOrderId})
        where id = ${orderId} and ${said.venueOrderId} <> all(other_venue_order_ids) returning 1`;
      if (told.length === 0) return;
      await raiseAlert(this.tx, this.deps, { scope: `order:${orderId}`, code: "DOUBLE_EXECUTION", text, data });
      await reportFault(this.tx, this.deps, { sessionId, reason: `DOUBLE_EXECUTION: ${text}` });
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
    for (const id of this.touched) {
      const tracked = this.tracked.get(id);
      if (tracked !== undefined)
        this.writes.push(() => updateOrder(this.tx, tracked.order, tracked.filledQuote, this.atMs));
    }
    if (this.events.length > 0) this.deps.bus.publish(this.tx, this.events);
    await Promise.all(this.writes.map((write) => write()));
    const orders = new Map([...this.tracked].map(([id, { order }]) => [id, order]));
    return { orders, fills: this.booked, incomplete: this.incomplete, foreign: this.foreign };
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
      this.writes.push(() => insertOrderEvent(this.tx, { order, type: "order.changed", from, atMs: this.atMs }));
    }
  }

  private bookMoney(order: Order, from: Order["state"], fill: Fill, instrument: Instrument): void {
    const { sessionId, accountId, instrumentId } = order;
    const key = `${sessionId} ${instrumentId}`;
    const before = this.positions.get(key) ?? this.input.positionBefore(sessionId, instrumentId);
    const after = applyToPosition(before, moneyOf(fill), instrument);
    this.positions.set(key, after);
    this.booked.push({ fill, order });
    const position = toPosition(after, { sessionId, accountId, instrumentId, updatedAtMs: fill.atMs });
    this.events.push(
      event(ORDERS, sessionId, "order.filled", { from, order, fill }, links(order)),
      event(POSITIONS, sessionId, positionEvent(before.size, after.size), position, links(order)),
    );
    const reference = `${instrumentId}:${fill.tradeId}`;
    this.writes.push(
      () => insertFill(this.tx, fill, this.atMs),
      () => insertOrderEvent(this.tx, { order, type: "order.filled", from, fill, atMs: this.atMs }),
      () => upsertPosition(this.tx, position),
      ...this.watchBelowZero(order, { before, after }),
      ...(after.size.lte(0) || closableSize({ size: after.size, mark: decimal(fill.price), instrument }) === null
        ? [() => clearAlert(this.tx, this.deps, { scope: sessionScope(sessionId), code: "FAULTED_WITH_POSITION" })]
        : []),
      ...entriesOf(fill, instrument).map(
        (entry) => () => writeEntry(this.tx, { ...entry, sessionId, accountId, reference, atMs: fill.atMs }),
      ),
    );
  }

  /** More was sold than the session had, as by a second execution, or a fee that was taken from what it had to sell. */
  private watchBelowZero(
    { sessionId, accountId, instrumentId }: Order,
    { before, after }: { before: PositionState; after: PositionState },
  ): (() => Promise<unknown>)[] {
    const alert = { scope: sessionScope(sessionId), code: "POSITION_BELOW_ZERO" } as const;
    if (!after.size.isNegative()) {
      return before.size.isNegative() ? [() => clearAlert(this.tx, this.deps, alert)] : [];
    }
    const text = `The session has sold more of ${instrumentId} than it had: its position is ${plain(after.size)}. What it lacks was the account's, or another session's; buy it back at the venue.`;
    const data = { sessionId, accountId, instrumentId };
    return [() => raiseAlert(this.tx, this.deps, { ...alert, text, data })];
  }

  private alert(order: Order, code: OrderAlert): void {
    const { id: orderId, sessionId, state, clientOrderId } = order;
    const text = `${ALERT_KINDS[code].meaning} It is the order ${clientOrderId}.`;
    const alert = { scope: `order:${orderId}`, code, text, data: { orderId, sessionId, state } };
    this.writes.push(() => raiseAlert(this.tx, this.deps, alert));
  }
}

function fillOf(said: VenueFill, order: Order): Fill {
  const { tradeId, feeAsset, maker, atMs } = said;
  const { id: orderId, sessionId, accountId, instrumentId, side } = order;
  const amounts = { price: normalize(said.price), size: normalize(said.size), fee: normalize(said.fee) };
  return { tradeId, orderId, sessionId, accountId, instrumentId, side, ...amounts, feeAsset, maker, atMs };
}

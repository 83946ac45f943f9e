import { readFillCursor } from "#services/order-position-tracker/account/fill-cursor-store.ts";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { attribute } from "#services/order-position-tracker/record/attribute.ts";
import { mayBeUnbooked } from "#services/order-position-tracker/record/unbooked-store.ts";
import { reportFault } from "#services/order-position-tracker/session/fault-watch.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Order } from "#shared/domain/order.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { UnreadableFill, VenueAccount, VenueFill, VenueOrder } from "#shared/exchange/exchange.ts";
import { ABSENT } from "#shared/orders/order-state.ts";
import type { LaneTx, LeasedLane, Task } from "#shared/queue/queue.ts";
import { lockIntent, type Standing } from "./intent-store.ts";
import { marketTimeOf } from "./market-time.ts";
import { whyNotSent } from "./may-send.ts";
import { type NextMove, NOTHING } from "./next-move.ts";
import { lockOrder } from "./order-store.ts";
import { settleTask } from "./settle-task.ts";

/** What the venue knows of an order. `askedAtMs`: its server clock before it was asked. */
export interface Trace {
  askedAtMs: number;
  order: VenueOrder | null;
  fills: VenueFill[];
  /** The venue does not know the order, but its list has fills that could be this order's, and whose they are is not known yet. */
  doubtful: boolean;
  /** The same of fills that can not be read: whose they are will not be known. */
  unreadable: boolean;
}

/**
 * Finds out what became of an order that may have been sent. It is absent only when the venue's server clock had passed
 * its window, the allowed skew and the time by which the venue's lists may lag before the venue was asked for the order and
 * for fills, and both found nothing: only then can it not take effect any more, and had it, the lists would say so. An answer
 * about the order may be older than the list of fills, so that a fill of unknown origin is waited for until it is known
 * whose it is. Of one that can not be read that is never known: then the order is not sent again.
 */
export async function resolveOrder(
  lane: LeasedLane,
  context: TrackerContext,
  task: Task,
  order: Order,
): Promise<NextMove> {
  const trace = await traceOrder(context, order).catch((error: unknown) => messageOf(error));
  if (typeof trace === "string") {
    context.deps.log.warn({ orderId: order.id, error: trace }, "order not resolved: the venue does not answer");
    return putOff(lane, context, task, order);
  }
  if (trace.order !== null || trace.fills.length > 0) {
    const said = { orders: trace.order === null ? [] : [trace.order], fills: trace.fills };
    const report = await context.recorder.prepare(order.accountId, said);
    const state = await lane.step(async (tx) => {
      const recorded = await context.recorder.record(tx, report, { listed: true });
      return settleTask(tx, context, task, recorded.orders.get(order.id) ?? order);
    });
    context.deps.log.info({ orderId: order.id, state }, "unknown order resolved");
    return NOTHING;
  }
  const leftMs = absentInMs(context, order, trace);
  if (leftMs === null || leftMs > 0) return putOff(lane, context, task, order, leftMs ?? undefined);
  context.deps.log.warn({ orderId: order.id, attempt: order.attempt }, "order proven absent at the venue");
  return sendAgainOrReject(lane, context, task, order, trace.unreadable ? MAY_BE_UNREADABLE : null);
}

const MAY_BE_UNREADABLE = `${ABSENT}: the venue knows no such order, and lists an execution that can not be read: it may be this order's, see GET /unbooked.`;

/**
 * When an order that a trace has not found is proven absent: 0, it is. More: after so many milliseconds, asked again. Null:
 * the venue knows it.
 */
export function absentInMs(
  { deps, settings }: Pick<TrackerContext, "deps" | "settings">,
  order: Order,
  trace: Trace,
): number | null {
  if (trace.order !== null || trace.fills.length > 0) return null;
  const { R3_ORDER_POSITION_TRACKER_CLOCK_SKEW_MS: skewMs } = settings;
  if (trace.doubtful) return settings.R3_ORDER_POSITION_TRACKER_RESOLVE_INTERVAL_MS;
  const { exchanges } = deps;
  const lagMs = exchanges.listLagMs(exchanges.account(order.accountId).venue);
  const absentFromMs = (order.signedAtMs ?? 0) + (order.recvWindowMs ?? 0) + skewMs + lagMs;
  return Math.max(0, absentFromMs - trace.askedAtMs + 1);
}

/**
 * Asks the venue for an order and its fills; its server clock first. Where it does not know the order, the fills behind the
 * cursor are looked at: whose they are is asked for too.
 */
export async function traceOrder(context: TrackerContext, order: Order): Promise<Trace> {
  const account = context.deps.exchanges.account(order.accountId);
  const instrument = await context.instruments.byId(order.instrumentId);
  const askedAtMs = await account.serverTimeMs();
  const { clientOrderId } = order;
  const found = await account.order({ instrument, clientOrderId });
  const venueOrderIds = new Set([order.venueOrderId, found?.venueOrderId ?? null]);
  const own: VenueFill[] = [];
  for (const venueOrderId of venueOrderIds) {
    if (venueOrderId !== null) own.push(...(await fillsOfOrder(account, { instrument, venueOrderId, clientOrderId })));
  }
  if (found !== null || own.length > 0)
    return { askedAtMs, order: found, fills: own, doubtful: false, unreadable: false };
  return { askedAtMs, order: null, ...(await lookThroughFills(context, account, { order, instrument })) };
}

/** All fills of an order of the venue, called by our id. */
export async function fillsOfOrder(
  account: VenueAccount,
  of: { instrument: Instrument; venueOrderId: string; clientOrderId: string },
): Promise<VenueFill[]> {
  const { instrument, venueOrderId, clientOrderId } = of;
  const { fills } = await allFills(account, { instrument, venueOrderId });
  return fills.map((fill) => ({ ...fill, clientOrderId }));
}

/**
 * The fills behind the cursor that are the order's. Doubtful: one that could be its (on its side, not from before its
 * decision) is of an order of which it is not known yet whose it is. Unreadable: one that can not be booked may be its.
 */
async function lookThroughFills(
  context: TrackerContext,
  account: VenueAccount,
  { order, instrument }: { order: Order; instrument: Instrument },
): Promise<Pick<Trace, "fills" | "doubtful" | "unreadable">> {
  const { db } = context.deps;
  const { side, marketAtMs, clientOrderId } = order;
  const fromMs = marketAtMs - context.settings.R3_ORDER_POSITION_TRACKER_CLOCK_SKEW_MS;
  const cursor = await readFillCursor(db, account.accountId, instrument.id);
  const listed = await allFills(account, {
    instrument,
    ...(cursor?.tradeId == null ? {} : { fromId: cursor.tradeId }),
  });
  const similar = listed.fills.filter((fill) => fill.side === side && fill.atMs >= fromMs);
  const { fills, open } = await attribute(context, account, { instrument, fills: similar, isHistory: false });
  const own = fills.filter((fill) => fill.clientOrderId === clientOrderId);
  const unreadable = own.length === 0 && (await mayBeUnbooked(db, order, listed.unreadable));
  return { fills: own, doubtful: own.length === 0 && open.size > 0, unreadable };
}

/** A whole list of fills, page by page. */
async function allFills(
  account: VenueAccount,
  query: { instrument: Instrument; fromId?: string; venueOrderId?: string },
): Promise<{ fills: VenueFill[]; unreadable: UnreadableFill[] }> {
  const limit = 500;
  const all: VenueFill[] = [];
  const unreadable: UnreadableFill[] = [];
  let { fromId } = query;
  for (;;) {
    const page = await account.fills({ ...query, limit, ...(fromId === undefined ? {} : { fromId }) });
    all.push(...page.fills.filter(({ tradeId }) => all.every((known) => known.tradeId !== tradeId)));
    unreadable.push(...page.unreadable);
    const { lastId } = page;
    if (page.rows < limit || lastId === null || lastId === fromId) return { fills: all, unreadable };
    fromId = lastId;
  }
}

const LONGEST_PAUSE_MS = 5_000;

/**
 * A question is worth asking again soon while an answer may come, and less and less the longer none does: the venue counts
 * what it is asked. Never later than `atMostMs`, when the answer is the proof.
 */
async function putOff(
  lane: LeasedLane,
  context: TrackerContext,
  task: Task,
  order: Order,
  atMostMs?: number,
): Promise<NextMove> {
  const { R3_ORDER_POSITION_TRACKER_RESOLVE_INTERVAL_MS: intervalMs } = context.settings;
  const waitedMs = context.serverClocks.nowMs(order.accountId) - (order.signedAtMs ?? 0);
  const pauseMs = Math.max(intervalMs, Math.min(waitedMs / 4, LONGEST_PAUSE_MS));
  const delayMs = Math.round(Math.min(pauseMs, atMostMs ?? pauseMs));
  await lane.step(async (tx) => void settleTask(tx, context, task, (await lockOrder(tx, order.id)) ?? order, delayMs));
  return NOTHING;
}

/**
 * An intent that never took effect: sent once more with a new window and the same id while its signal is valid and its
 * session trades, else the order is REJECTED. Where something speaks against it (`against`) its session is faulted too. The new
 * intent is committed here, and sent next.
 */
export async function sendAgainOrReject(
  lane: LeasedLane,
  context: TrackerContext,
  task: Task,
  order: Order,
  against: string | null = null,
): Promise<NextMove> {
  return lane.step(async (tx): Promise<NextMove> => {
    const standing = await lockIntent(tx, context, order);
    const now = standing.order ?? order;
    if (now.state !== "SUBMITTED" && now.state !== "UNKNOWN") {
      settleTask(tx, context, task, now);
      return NOTHING;
    }
    const { recorder, deps, settings, serverClocks } = context;
    const reason = against ?? (await whyNotAgain(tx, context, { order, standing }));
    if (reason !== null) {
      // Whoever decided it would decide the same again, and it may be done already.
      if (against !== null) await reportFault(tx, deps, { sessionId: now.sessionId, reason });
      settleTask(tx, context, task, await recorder.change(tx, now, { kind: "state", to: "REJECTED", reason }));
      return NOTHING;
    }
    const unknown = await recorder.change(tx, now, { kind: "state", to: "UNKNOWN" });
    const patch = {
      attempt: now.attempt + 1,
      signedAtMs: serverClocks.nowMs(now.accountId),
      recvWindowMs: settings.R3_ORDER_POSITION_TRACKER_RECV_WINDOW_MS,
      submittedAtMs: deps.clock.stampMs(),
    };
    const again = await recorder.change(tx, unknown, { kind: "state", to: "SUBMITTED" }, { patch });
    return { move: "send", order: again };
  });
}

async function whyNotAgain(
  tx: LaneTx,
  context: TrackerContext,
  { order, standing }: { order: Order; standing: Standing },
): Promise<string | null> {
  if (order.attempt >= context.settings.R3_ORDER_POSITION_TRACKER_MAX_ATTEMPTS)
    return `${ABSENT}: no attempt reached the venue.`;
  const refused = await whyNotSent(standing, order, () => marketTimeOf(tx, context, order));
  if (refused === null) return null;
  const codes = refused.code === null ? ABSENT : `${ABSENT}, ${refused.code}`;
  return `${codes}: the venue has not taken it, and it is not sent again. ${upperFirst(refused.why)}`;
}

/** A reason as a sentence of its own. */
function upperFirst(reason: string): string {
  return reason.slice(0, 1).toUpperCase() + reason.slice(1);
}

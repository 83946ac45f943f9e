import { bookedOf, lockAccount } from "#services/order-position-tracker/account/account-store.ts";
import { heldAtVenue } from "#services/order-position-tracker/account/balances.ts";
import { reconcileInstrument } from "#services/order-position-tracker/account/reconcile.ts";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { paidIn } from "#services/order-position-tracker/money/money-store.ts";
import { writeBooks } from "#services/order-position-tracker/record/book-store.ts";
import type { OwnedUnit } from "#shared/bus/bus.ts";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import { CallLimit } from "#shared/concurrency/call-limit.ts";
import { SharedRuns } from "#shared/concurrency/shared-runs.ts";
import type { Tx } from "#shared/db/db.ts";
import { readSession, readSessions } from "#shared/db/reference-rows.ts";
import { type Decimal, decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import { type Session, type SessionState, seriesOf } from "#shared/domain/session.ts";
import { AppError, hasCode, messageOf, sentenceOf } from "#shared/errors/app-error.ts";
import { event, SESSION_REPORTS } from "#shared/messages/topics.ts";
import { reportFaulted } from "#shared/session-health/report-faulted.ts";
import { createFailureRow } from "#shared/telemetry/failure-row.ts";
import { beginEquity } from "./session-store.ts";
import { stopSession } from "./stop-session.ts";

const BACKOFF: Backoff = { firstMs: 200, longestMs: 5_000 };

/**
 * Carries sessions through STARTING and STOPPING. What is to be done is read from the session's row, never remembered: a
 * new owner of the partition begins where the old one was. Each step may be done twice.
 */
export interface SessionFollower {
  /** The session's state may ask for something. Returns at once. */
  look(session: Session, unit: OwnedUnit): void;
  /** All sessions of a partition that are on their way, for a new owner. */
  lookAll(unit: OwnedUnit): Promise<void>;
  /** Resolves when no session of this partition is on its way here any more; the other partitions go on. */
  drained(unit: OwnedUnit): Promise<void>;
}

/**
 * Whether the candles of a session are asked for. strategy-executor does that, which knows how many its strategy takes: a
 * series has its history from the one who begins it, and never more.
 */
async function hasSeries({ deps }: TrackerContext, session: Session): Promise<boolean> {
  return (await deps.clients.marketData.series(seriesOf(session))) !== null;
}

/** The sessions of a partition that start or stop: both states end by what is done here. One that cannot be read keeps none of the others. */
function onTheirWay({ deps, onUnreadable }: TrackerContext, { partition }: OwnedUnit): Promise<Session[]> {
  return readSessions(deps.db.sql, { states: ["STARTING", "STOPPING"], partition, onUnreadable });
}

/** What an account has of an asset at its venue, and what executions had taken of it by the books before that was read. */
interface Reading {
  held: Decimal;
  spent: Decimal;
}

/** What sessions that start at once share. */
interface Starts {
  /** What their accounts have at the venues, by account and instrument. */
  compared: SharedRuns<Reading>;
  /** By account: each start locks its account, and most of those that would only wait for that lock hold no connection meanwhile. */
  payments: Map<string, CallLimit>;
}

/** Starts of one account that hold a connection: the next one has its lock as soon as the one before has committed. */
const PAYMENTS_AT_ONCE = 3;

function paymentsOf({ payments }: Starts, accountId: string): CallLimit {
  const known = payments.get(accountId);
  if (known !== undefined) return known;
  const service = "order-position-tracker";
  const made = new CallLimit({ service, atOnce: PAYMENTS_AT_ONCE, inLine: Number.POSITIVE_INFINITY });
  payments.set(accountId, made);
  return made;
}

/**
 * Orders and fills are compared with the venue's, the capital is put into the ledger where the venue's balance covers it,
 * the equity curve begins. Null: that is done, or the session is reported as faulted. A sentence: why it cannot be done;
 * faulted only where it was `short` for the very same reason before, since an execution may have overtaken one reading.
 */
async function start(
  context: TrackerContext,
  starts: Starts,
  { session, unit, short }: { session: Session; unit: OwnedUnit; short: string | null },
): Promise<string | null> {
  const { deps } = context;
  const { accountId } = session;
  const series = seriesOf(session);
  const { instrumentId } = series;
  const head = await deps.clients.marketData.ensureSeries({ ...series, source: "bars", history: 0 });
  const instrument = await context.instruments.byId(instrumentId);
  // A crowd that starts on one account asks the venue once: each by itself would be more than venues answer in a minute.
  const reading = await starts.compared.run(`${accountId} ${instrumentId}`, async () => {
    await context.serverClocks.measure(accountId);
    await reconcileInstrument(context, accountId, instrument, (tx) => deps.leader.fence(tx, unit.role, unit.epoch));
    const { spent } = await bookedOf(deps.db, accountId, instrument.quote);
    const held = (await heldAtVenue(deps.exchanges.account(accountId))).get(instrument.quote) ?? ZERO;
    return { held, spent };
  });
  const run = { sessionId: session.id, run: session.run, atMs: deps.clock.nowMs() };
  const begin = async (tx: Tx): Promise<string | null> => {
    // Sent at once: the account is locked behind it, in the same round trip.
    void deps.leader.fence(tx, unit.role, unit.epoch);
    const reason = await payIn(tx, context, { session, asset: instrument.quote, reading });
    if (reason !== null) {
      if (reason !== short) return reason;
      reportFaulted(tx, deps.bus, { session, reason, atMs: run.atMs });
      return null;
    }
    // Not waited for: it travels with the commit.
    void beginEquity(tx, { session, instrument, headN: head.headN });
    deps.bus.publish(tx, [event(SESSION_REPORTS, session.id, "report.reconciled", run)]);
    return null;
  };
  return paymentsOf(starts, accountId).run(unit.signal, () => deps.db.transaction(begin));
}

/**
 * Brings what was paid into a session to its capital. Only one session of an account at a time, and only where the venue has
 * what all of them own with it. Else a sentence for a person, and nothing is paid in.
 *
 * @throws AppError CONFLICT (transient) where what executions have taken since the reading would not leave enough
 */
async function payIn(
  tx: Tx,
  { deps }: TrackerContext,
  of: { session: Session; asset: string; reading: Reading },
): Promise<string | null> {
  const { session, asset, reading } = of;
  const { held } = reading;
  const { accountId } = session;
  const atMs = deps.clock.nowMs();
  const venue = deps.exchanges.account(accountId).venue;
  // One round trip, in this order: what is read behind the lock is as the one before has left it.
  const locked = lockAccount(tx, { accountId, venue, atMs });
  const [paid, booked] = await Promise.all([paidIn(tx, session.id), bookedOf(tx, accountId, asset), locked]);
  const missing = decimal(session.capital).minus(paid);
  const { owned } = booked;
  if (owned.plus(missing).gt(held)) {
    return (
      `The account ${accountId} has ${plain(held)} ${asset} at its venue, but its sessions own ${plain(owned)} ${asset} ` +
      `and this one still needs ${plain(missing)} ${asset}: pay in what is missing, give it less capital, or delete a ` +
      "session that has stopped."
    );
  }
  // What was booked since then is owned no more, but may be in what the venue was read to have.
  const taken = booked.spent.minus(reading.spent);
  if (owned.plus(missing).gt(held.minus(taken))) {
    const text = `Orders of the account ${accountId} were filled while its balances were read: they are read again.`;
    throw new AppError("CONFLICT", "transient", text);
  }
  if (!missing.isZero()) {
    const entry = { asset, kind: "capital", reference: `run-${session.run}`, amount: missing, atMs } as const;
    await writeBooks(tx, atMs, { entries: [{ ...entry, sessionId: session.id, accountId }] });
  }
  return null;
}

/** Tells why a session is still STARTING or STOPPING. False: it could not be told, and is with the next look. */
async function tellWaiting(
  { deps }: TrackerContext,
  session: Session,
  unit: OwnedUnit,
  reason: string,
): Promise<boolean> {
  const { id: sessionId, run, state } = session;
  const until = state === "STARTING" ? ("reconciled" as const) : ("stopped" as const);
  const report = { sessionId, run, atMs: deps.clock.nowMs(), until, reason };
  try {
    await deps.db.transaction(async (tx) => {
      await deps.leader.fence(tx, unit.role, unit.epoch);
      deps.bus.publish(tx, [event(SESSION_REPORTS, sessionId, "report.waiting", report)]);
    });
    return true;
  } catch (error) {
    deps.log.debug({ sessionId, error: messageOf(error) }, "wait not told");
    return false;
  }
}

/** Why a stop has to wait for its venue, which takes nothing from here for a while. Null: it takes requests. */
function bannedStop({ deps: { exchanges } }: TrackerContext, { accountId, state, stopPolicy }: Session): string | null {
  if (state !== "STOPPING" || stopPolicy === "keep") return null;
  const untilMs = exchanges.orderBanUntilMs(accountId);
  if (untilMs === null) return null;
  const what = stopPolicy === "flatten" ? "the position is closed" : "what is open is canceled";
  return `The venue takes nothing from here until ${new Date(untilMs).toISOString()}: ${what} after it. With the stop policy keep the session stops without that.`;
}

/** A halt may last for a day: a stop that waits for long is looked at ever more rarely. */
function pauseAfter(rounds: number): number {
  return backoffMs(BACKOFF, 1 + Math.floor(rounds / 10));
}

/** A session that is carried through one state of one run. */
interface Walk {
  unit: OwnedUnit;
  state: SessionState;
  run: number;
  /** Aborted when the session is in another state or run. */
  over: AbortController;
  done: Promise<void>;
}

export function createSessionFollower(context: TrackerContext): SessionFollower {
  const { deps } = context;
  const underWay = new Map<string, Walk>();
  const starts: Starts = { compared: new SharedRuns(), payments: new Map() };

  const carry = async (id: string, { unit, over }: Pick<Walk, "unit" | "over">): Promise<void> => {
    const ended = AbortSignal.any([unit.signal, over.signal]);
    const failures = createFailureRow();
    let short: string | null = null;
    let told: string | null = null;
    let rounds = 0;
    while (!ended.aborted) {
      let session: Session | null = null;
      let pauseMs = BACKOFF.firstMs;
      try {
        session = await readSession(deps.db.sql, id);
        if (session?.state === "STARTING" && (await hasSeries(context, session))) {
          short = await start(context, starts, { session, unit, short });
          if (short === null) return;
        }
        if (session?.state === "STOPPING" && (await stopSession(context, session, unit))) return;
        if (session?.state !== "STARTING" && session?.state !== "STOPPING") return;
        failures.clear();
        const banned = bannedStop(context, session);
        if (banned !== null && banned !== told && (await tellWaiting(context, session, unit, banned))) told = banned;
        if (session.state === "STOPPING") pauseMs = pauseAfter((rounds += 1));
      } catch (error) {
        if (unit.signal.aborted) return;
        const isWorthALine = failures.note(messageOf(error));
        const line = { sessionId: id, error: messageOf(error), failures: failures.count };
        if (isWorthALine) deps.log.warn(line, "session waits");
        const reason = sentenceOf(error);
        // FENCED: it shared the comparison of a unit that was lost meanwhile, and nothing is wrong with this one.
        const isNews = reason !== told && !hasCode(error, "FENCED");
        if (session?.state === "STARTING" && isNews && (await tellWaiting(context, session, unit, reason))) {
          told = reason;
        }
        pauseMs = backoffMs(BACKOFF, failures.count);
      }
      await deps.clock.sleep(pauseMs, ended);
    }
  };

  const look = (session: Session, unit: OwnedUnit): void => {
    const { id, state, run } = session;
    if (state !== "STARTING" && state !== "STOPPING") return;
    const before = underWay.get(id);
    // Told of its own report why it waits: that walk goes on by itself.
    if (state === "STARTING" && before?.state === state && before.run === run && before.unit === unit) return;
    // One after the other: what is under way ends before its next pause.
    before?.over.abort();
    const over = new AbortController();
    const done = (before?.done ?? Promise.resolve()).then(() => carry(id, { unit, over }));
    underWay.set(id, { unit, state, run, over, done });
    void done.finally(() => {
      if (underWay.get(id)?.done === done) underWay.delete(id);
    });
  };

  return {
    look,
    async lookAll(unit) {
      for (const session of await onTheirWay(context, unit)) look(session, unit);
    },
    async drained({ partition }) {
      const here = [...underWay.values()].filter(({ unit }) => unit.partition === partition);
      await Promise.all(here.map(({ done }) => done));
    },
  };
}

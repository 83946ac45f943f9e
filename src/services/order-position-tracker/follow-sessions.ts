import type { OwnedUnit } from "#shared/bus/bus.ts";
import { decimal } from "#shared/domain/decimal.ts";
import type { Session } from "#shared/domain/session.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { event, SESSION_REPORTS } from "#shared/messages/topics.ts";
import { paidIn, writeEntry } from "./money-store.ts";
import type { Parts } from "./parts.ts";
import { reconcileInstrument } from "./reconcile.ts";
import { stopSession } from "./stop-session.ts";

const PAUSE_MS = 200;

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

async function present({ deps }: Parts, id: string): Promise<Session | null> {
  const rows = await deps.db.sql<{ session: Session }[]>`select session from reference.sessions where id = ${id}`;
  return rows[0]?.session ?? null;
}

/** Orders and fills agree with the venue, the capital stands in the ledger, the equity curve begins. */
async function start(parts: Parts, session: Session, unit: OwnedUnit): Promise<boolean> {
  const { deps } = parts;
  const { accountId, timeFrame } = session;
  const instrumentId = session.instrumentIds[0] ?? "";
  const head = await deps.clients.marketData.ensureSeries({ instrumentId, timeFrame, source: "bars", history: 0 });
  const instrument = await parts.instruments.byId(instrumentId);
  await parts.serverClocks.measure(accountId);
  await reconcileInstrument(parts, accountId, instrument, (tx) => deps.leader.fence(tx, unit.role, unit.epoch));
  const atMs = deps.clock.nowMs();
  const closeAtMs = session.createdAtMs;
  await deps.db.transaction(async (tx) => {
    await deps.leader.fence(tx, unit.role, unit.epoch);
    const venue = deps.exchanges.account(accountId).venue;
    await tx.sql`
      insert into reference.accounts (id, venue, updated_at_ms) values (${accountId}, ${venue}, ${atMs})
      on conflict (id) do nothing`;
    const missing = decimal(session.capital).minus(await paidIn(tx, session.id));
    if (!missing.isZero()) {
      const entry = { asset: instrument.quote, kind: "capital", amount: missing } as const;
      await writeEntry(tx, { ...entry, sessionId: session.id, accountId, reference: `run-${session.run}`, atMs });
    }
    await tx.sql`
      insert into order_position_tracker.equity_cursors as c
        (session_id, instrument_id, time_frame, quote, active, candle_n, candle_close_at_ms)
      values (${session.id}, ${instrumentId}, ${timeFrame}, ${instrument.quote}, true, ${head.headN}, ${closeAtMs})
      on conflict (session_id) do update set instrument_id = excluded.instrument_id, time_frame = excluded.time_frame,
        quote = excluded.quote, active = true, candle_n = case when c.active then c.candle_n else excluded.candle_n end`;
    deps.bus.publish(tx, [
      event(SESSION_REPORTS, session.id, "report.reconciled", { sessionId: session.id, run: session.run, atMs }),
    ]);
  });
  return true;
}

export function createSessionFollower(parts: Parts): SessionFollower {
  const { deps } = parts;
  const underWay = new Map<string, { partition: number; run: Promise<void> }>();

  const carry = async (id: string, unit: OwnedUnit): Promise<void> => {
    while (!unit.signal.aborted) {
      try {
        const session = await present(parts, id);
        if (session?.state === "STARTING" && (await start(parts, session, unit))) return;
        if (session?.state === "STOPPING" && (await stopSession(parts, session, unit))) return;
        if (session?.state !== "STARTING" && session?.state !== "STOPPING") return;
      } catch (error) {
        if (unit.signal.aborted) return;
        deps.log.warn({ sessionId: id, error: messageOf(error) }, "session waits");
      }
      await deps.clock.sleep(PAUSE_MS, unit.signal);
    }
  };

  const look = (session: Session, unit: OwnedUnit): void => {
    if (session.state !== "STARTING" && session.state !== "STOPPING") return;
    // One after the other: a stop that comes during a start is seen by the next look at the row.
    const before = underWay.get(session.id)?.run ?? Promise.resolve();
    const run = before.then(() => carry(session.id, unit));
    underWay.set(session.id, { partition: unit.partition, run });
    void run.finally(() => {
      if (underWay.get(session.id)?.run === run) underWay.delete(session.id);
    });
  };

  return {
    look,
    async lookAll(unit) {
      const rows = await deps.db.sql<{ session: Session }[]>`
        select session from reference.sessions
        where partition = ${unit.partition} and state in ('STARTING', 'STOPPING')`;
      for (const { session } of rows) look(session, unit);
    },
    async drained({ partition }) {
      await Promise.all([...underWay.values()].filter((one) => one.partition === partition).map(({ run }) => run));
    },
  };
}

import type { OwnedUnit } from "#shared/bus/bus.ts";
import { DEGRADATIONS, type Degradation } from "#shared/domain/degradation.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { type TimeFrame, timeFrameSchema } from "#shared/domain/time-frame.ts";
import type { Deps } from "#shared/service/service.ts";
import { reportDegraded } from "#shared/session-health/report-degraded.ts";
import type { Feed } from "./store.ts";

/** What is known of the market of the sessions. */
export interface Market {
  /** By partition. */
  units: ReadonlyMap<number, OwnedUnit>;
  statusOf(instrumentId: string): Instrument | "gone" | null;
  /** Since when the stream of a series is silent; null: it lives. */
  staleSinceMs(feed: Feed): number | null;
}

interface SessionRow {
  id: string;
  run: number;
  instrument_id: string;
  time_frame: string;
  degraded: Degradation[];
}

/**
 * Reports to the sessions that run what their market lacks, and what is over. Only the owner of an instrument's partition
 * does, fenced by its unit. What a session's row says already is not told again.
 */
export async function reportMissing(
  { db, bus, leader, clock }: Pick<Deps, "db" | "bus" | "leader" | "clock">,
  market: Market,
): Promise<void> {
  if (market.units.size === 0) return;
  const rows = await db.sql<SessionRow[]>`
    select id, run, session -> 'instrumentIds' ->> 0 as instrument_id, session ->> 'timeFrame' as time_frame,
      session -> 'degraded' as degraded
    from reference.sessions where state in ('STARTING', 'RUNNING', 'PAUSED', 'STOPPING') order by id`;
  const atMs = clock.nowMs();
  for (const { id, run, instrument_id: instrumentId, time_frame: text, degraded } of rows) {
    const unit = market.units.get(bus.partitionOf(instrumentId));
    if (unit === undefined) continue;
    const timeFrame = timeFrameSchema.parse(text);
    const since = market.staleSinceMs({ instrumentId, kind: "bars", timeFrame });
    const found = missingOf({ instrumentId, timeFrame, staleSinceMs: since, status: market.statusOf(instrumentId) });
    // Nothing is known yet of an instrument that was just taken over: what was told before stands.
    if (found === null) continue;
    const known = new Map(degraded.map((one) => [one.code, one]));
    const wanted = found.map((one) => ({ ...one, sinceMs: known.get(one.code)?.sinceMs ?? one.sinceMs ?? atMs }));
    const mine = degraded.filter(({ code }) => DEGRADATIONS[code].reporter === "data-collect");
    const isTold = wanted.every(({ code, text: why }) => known.get(code)?.text === why);
    if (isTold && mine.length === wanted.length) continue;
    await db.transaction(async (tx) => {
      await leader.fence(tx, unit.role, unit.epoch);
      reportDegraded(tx, bus, { session: { id, run, degraded }, reporter: "data-collect", wanted, atMs });
    });
  }
}

/** What a session runs without. Null: the venue's list of instruments was not read yet. `sinceMs` null: from now on. */
export function missingOf(of: {
  instrumentId: string;
  timeFrame: TimeFrame;
  staleSinceMs: number | null;
  status: Instrument | "gone" | null;
}): (Omit<Degradation, "sinceMs"> & { sinceMs: number | null })[] | null {
  const { instrumentId, timeFrame, staleSinceMs, status } = of;
  if (status === null) return null;
  if (status === "gone") {
    const text = `The venue does not list ${instrumentId} any more: close what you hold of it there.`;
    return [{ code: "INSTRUMENT_GONE", sinceMs: null, text }];
  }
  if (status.marketEnded === true) {
    const text = `The market of ${instrumentId} is a replay that has shown its last bar: nothing more comes.`;
    return [{ code: "MARKET_ENDED", sinceMs: null, text }];
  }
  const missing: (Omit<Degradation, "sinceMs"> & { sinceMs: number | null })[] = [];
  if (status.status === "HALTED") {
    const text = `The venue has halted ${instrumentId}: it takes no orders.`;
    missing.push({ code: "INSTRUMENT_HALTED", sinceMs: null, text });
  }
  if (staleSinceMs !== null) {
    const text = `No bar of ${instrumentId} ${timeFrame} came when one was due, or the venue has not acknowledged the subscription: it is asked, and the connection made anew.`;
    missing.push({ code: "FEED_STALE", sinceMs: staleSinceMs, text });
  }
  return missing;
}

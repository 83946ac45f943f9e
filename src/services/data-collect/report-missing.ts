import type { Bus, OwnedUnit } from "#shared/bus/bus.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db } from "#shared/db/db.ts";
import { readMarketsAtWork } from "#shared/db/reference-rows.ts";
import { DEGRADATIONS, type Degradation } from "#shared/domain/degradation.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import type { Leader } from "#shared/leader/leader.ts";
import { reportDegraded } from "#shared/session-health/report-degraded.ts";
import type { Feed } from "./store.ts";

type Staleness = number | "unknown" | null;

/** What is known of the market of the sessions. */
export interface Market {
  /** By partition. */
  units: ReadonlyMap<number, OwnedUnit>;
  statusOf(instrumentId: string): Instrument | "gone" | null;
  /** Since when the bars of a series are not current; null: they are. "unknown": what was told before stands. */
  staleSinceMs(feed: Feed): Staleness;
}

/** What it needs of the ports. */
export interface ReportDeps {
  db: Pick<Db, "sql" | "transaction">;
  bus: Pick<Bus, "partitionOf" | "publish">;
  leader: Pick<Leader, "fence">;
  clock: Pick<Clock, "nowMs">;
}

/**
 * Reports to the sessions at work what their market lacks, and what is over. Only the owner of an instrument's partition
 * does, fenced by its unit. What a session's row says already is not told again.
 */
export async function reportMissing({ db, bus, leader, clock }: ReportDeps, market: Market): Promise<void> {
  if (market.units.size === 0) return;
  const sessions = await readMarketsAtWork(db.sql);
  const atMs = clock.nowMs();
  for (const { id, run, instrumentId, timeFrame, degraded } of sessions) {
    const unit = market.units.get(bus.partitionOf(instrumentId));
    if (unit === undefined) continue;
    const staleSinceMs = market.staleSinceMs({ instrumentId, kind: "bars", timeFrame });
    const mine = degraded.filter(({ code }) => DEGRADATIONS[code].reporter === "data-collect");
    const status = market.statusOf(instrumentId);
    const found = missingOf({ instrumentId, timeFrame, staleSinceMs, status, told: mine });
    const known = new Map(degraded.map((one) => [one.code, one]));
    const wanted = found.map((one) => ({ ...one, sinceMs: known.get(one.code)?.sinceMs ?? one.sinceMs ?? atMs }));
    const isTold = wanted.every(({ code, text: why }) => known.get(code)?.text === why);
    if (isTold && mine.length === wanted.length) continue;
    await db.transaction(async (tx) => {
      await leader.fence(tx, unit.role, unit.epoch);
      reportDegraded(tx, bus, { session: { id, run, degraded }, reporter: "data-collect", wanted, atMs });
    });
  }
}

type Missing = Omit<Degradation, "sinceMs"> & { sinceMs: number | null };

/**
 * What a session runs without. `sinceMs` null: from now on. While the venue's list of instruments was not read yet, what was
 * told of the instrument stays; while no bar has gone out yet, what was told of the bars.
 */
export function missingOf(of: {
  instrumentId: string;
  timeFrame: TimeFrame;
  staleSinceMs: Staleness;
  status: Instrument | "gone" | null;
  told: readonly Degradation[];
}): Missing[] {
  const { instrumentId, timeFrame, staleSinceMs, status, told } = of;
  if (status === "gone") {
    const text = `The venue does not list ${instrumentId} any more: close what you hold of it there.`;
    return [{ code: "INSTRUMENT_GONE", sinceMs: null, text }];
  }
  if (status?.marketEnded === true) {
    const text = `The market of ${instrumentId} is a replay that has shown its last bar: nothing more comes.`;
    return [{ code: "MARKET_ENDED", sinceMs: null, text }];
  }
  const missing: Missing[] = status === null ? told.filter(({ code }) => code !== "FEED_STALE") : [];
  if (status?.status === "HALTED") {
    const text = `The venue has halted ${instrumentId}: it takes no orders.`;
    missing.push({ code: "INSTRUMENT_HALTED", sinceMs: null, text });
  }
  if (staleSinceMs === "unknown") missing.push(...told.filter(({ code }) => code === "FEED_STALE"));
  else if (staleSinceMs !== null) {
    const text = `The bars of ${instrumentId} ${timeFrame} are not current: none came when one was due, or the venue does not acknowledge the subscription. It is asked, and the connection made anew.`;
    missing.push({ code: "FEED_STALE", sinceMs: staleSinceMs, text });
  }
  return missing;
}

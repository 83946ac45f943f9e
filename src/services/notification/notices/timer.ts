import { isAnyUnheard } from "#services/notification/alerts/told-alert-store.ts";
import type { Place } from "#services/notification/place.ts";
import { deleteLeft, type LockedRecipient, lockRecipient } from "#services/notification/recipients/recipient-store.ts";
import { watchRecipients } from "#services/notification/recipients/watch-recipients.ts";
import type { Running } from "#shared/bus/bus.ts";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import type { Tx } from "#shared/db/db.ts";
import { AppError, hasCode, messageOf } from "#shared/errors/app-error.ts";
import type { Leadership } from "#shared/leader/leader.ts";
import { digestOf } from "./digest.ts";
import { heldLonger } from "./hold.ts";
import { nextAt } from "./local-time.ts";
import { keepLanes, Lane, tellUnheard } from "./make-messages.ts";
import { takeHeld } from "./notice-store.ts";
import { summaryOf } from "./summary.ts";
import { readDay } from "./summary-store.ts";
import { type Due, deleteOld, listDue, setSummary } from "./timer-store.ts";

/** The role that one instance has at a time. */
const ROLE = "notification:timer";
/** So much is done in one look. */
const MOST_DUE = 1_000;
/** Before what could not be done for a recipient is tried again. */
const PAUSE: Backoff = { firstMs: 1_000, longestMs: 300_000 };
const SWEEP_EVERY_MS = 600_000;
const DAY_MS = 86_400_000;
/** A summary is of two days at most: after a time without one, of the last two. */
const LONGEST_SUMMARY_MS = 2 * DAY_MS;
/** It ends so long before now: what was stamped until then is committed, also where a clock is behind. */
const SETTLE_MS = 60_000;

/** One instance does what is due by the clock: digests, daily summaries, lanes that are tried again, what was silenced. It deletes what is old, too. */
export function startTimer(place: Place): Running {
  const { clock, leader, log } = place.deps;
  const stopping = new AbortController();
  const led = leader.lead(ROLE, stopping.signal, async (leadership) => {
    let sweepAtMs = 0;
    const putOff: PutOff = new Map();
    while (!leadership.signal.aborted) {
      try {
        await doWhatIsDue(place, leadership, putOff);
        await tellAfterSilence(place, leadership);
        if (clock.monotonicMs() >= sweepAtMs) {
          await watchRecipients(place, leadership);
          await sweep(place);
          sweepAtMs = clock.monotonicMs() + SWEEP_EVERY_MS;
        }
      } catch (error) {
        log.warn({ error: messageOf(error) }, "what is due was not done; it is tried again");
      }
      await clock.sleep(place.settings.R3_NOTIFICATION_TIMER_MS, leadership.signal);
    }
  });
  return {
    ready: Promise.resolve(),
    async close() {
      stopping.abort();
      await led;
    },
  };
}

/** What could not be done for a recipient, and until when it is put off. */
type PutOff = Map<string, { failures: number; untilMs: number }>;

/**
 * One thing of one recipient a transaction: what cannot be done is put off, and holds up nothing else. Each begins with the
 * fence, so that who was deposed and does not know it tells nothing.
 */
async function doWhatIsDue(place: Place, { role, epoch, signal }: Leadership, putOff: PutOff): Promise<void> {
  const { db, leader, clock, log } = place.deps;
  for (const { id, what } of await listDue(db.sql, clock.nowMs(), MOST_DUE)) {
    if (signal.aborted) return;
    const key = `${what} ${id}`;
    const failures = putOff.get(key)?.failures ?? 0;
    if (clock.monotonicMs() < (putOff.get(key)?.untilMs ?? 0)) continue;
    try {
      await db.transaction(async (tx) => {
        await leader.fence(tx, role, epoch);
        const recipient = await lockRecipient(tx, id);
        if (recipient !== null) await tellRecipient(tx, place, { recipient, what });
      });
      putOff.delete(key);
    } catch (error) {
      if (hasCode(error, "FENCED") || (error instanceof AppError && error.kind === "outage")) throw error;
      putOff.set(key, { failures: failures + 1, untilMs: clock.monotonicMs() + backoffMs(PAUSE, failures + 1) });
      log.warn({ recipientId: id, what, error: messageOf(error) }, "what is due was not done; it is tried again");
    }
  }
}

/** What was silenced and is no more, some in a transaction; who was deposed and does not know it tells nothing. */
async function tellAfterSilence(place: Place, { role, epoch }: Leadership): Promise<void> {
  const { db, leader, clock } = place.deps;
  if (!(await isAnyUnheard(db.sql, clock.nowMs()))) return;
  await db.transaction(async (tx) => {
    await leader.fence(tx, role, epoch);
    await tellUnheard(tx, place);
  });
}

/** All that it reads may have changed since it was listed. */
async function tellRecipient(
  tx: Tx,
  place: Place,
  { recipient, what }: { recipient: LockedRecipient; what: Due["what"] },
): Promise<void> {
  const nowMs = place.deps.clock.nowMs();
  const lane = new Lane(recipient, nowMs);
  if (what === "digest") await releaseHeld(tx, place, lane);
  else if (what === "summary") await summarize(tx, lane, nowMs);
  else if (lane.retryAtMs !== null && lane.retryAtMs <= nowMs) lane.retryAtMs = null;
  await keepLanes(tx, place, [lane]);
}

/** What is held becomes one message, unless the lane is full. */
async function releaseHeld(tx: Tx, { deps, settings }: Place, lane: Lane): Promise<void> {
  const nowMs = deps.clock.nowMs();
  const { standing, recipient } = lane;
  if (standing.releaseAtMs === null || standing.releaseAtMs > nowMs) return;
  const laterMs = heldLonger(standing, { nowMs, laneLimit: settings.R3_NOTIFICATION_LANE_LIMIT });
  if (laterMs !== null) {
    lane.standing = { ...standing, releaseAtMs: laterMs };
    return;
  }
  const held = await takeHeld(tx, recipient.id);
  const { heldCount: count, heldCritical: critical } = standing;
  const { timeZone } = recipient.preferences;
  lane.standing = { ...standing, heldCount: 0, heldCritical: 0, releaseAtMs: null };
  if (count > 0) lane.send(digestOf(held, { count, critical, timeZone, nowMs }));
}

/** The summary of the time since the last one, and when the next one is due. */
async function summarize(tx: Tx, lane: Lane, nowMs: number): Promise<void> {
  const { id, preferences, summaryAtMs, summarizedAtMs } = lane.recipient;
  const { dailySummaryAt, timeZone, sessionIds } = preferences;
  if (summaryAtMs === null || summaryAtMs > nowMs || dailySummaryAt === null) return;
  const toMs = Math.max(summarizedAtMs, nowMs - SETTLE_MS);
  const fromMs = Math.max(summarizedAtMs, toMs - LONGEST_SUMMARY_MS);
  lane.send(summaryOf(await readDay(tx.sql, { fromMs, toMs, sessionIds }), timeZone));
  await setSummary(tx, { id, summarizedAtMs: toMs, summaryAtMs: nextAt(dailySummaryAt, timeZone, nowMs) });
}

async function sweep({ deps, settings }: Place): Promise<void> {
  const nowMs = deps.clock.nowMs();
  const messagesMs = nowMs - settings.R3_NOTIFICATION_KEEP_DAYS * DAY_MS;
  const deleted = await deleteOld(deps.db.sql, { messagesMs, fillsMs: nowMs - LONGEST_SUMMARY_MS - SETTLE_MS });
  await deleteLeft(deps.db);
  if (deleted > 0) deps.log.debug({ deleted }, "old messages deleted");
}

import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { readBookGaps } from "#services/order-position-tracker/record/unbooked-store.ts";
import { readMarketsAtWork } from "#shared/db/reference-rows.ts";
import { DEGRADATIONS, type Degradation, type DegradationCode } from "#shared/domain/degradation.ts";
import { hasCode, sentenceOf } from "#shared/errors/app-error.ts";
import { type BookGap, sayGap } from "#shared/risk/book-rule.ts";
import { reportDegraded } from "#shared/session-health/report-degraded.ts";
import type { Fence } from "./reconcile.ts";

/** What of an account's sessions its leader knows to be missing. */
export interface AccountHealth {
  /** A comparison has ended, that of the balances too; these instruments could not be compared, each with why. */
  compared(failed: ReadonlyMap<string, string>): void;
  /** A comparison was not possible at all. */
  unreachable(error: unknown): void;
  /** Tells the sessions what is new or over. Nothing is written where nothing has changed. */
  report(): Promise<void>;
}

/** Something that does not work: since when, and a sentence about why. */
interface Trouble {
  sinceMs: number;
  reason: string;
}

export function createAccountHealth(context: TrackerContext, accountId: string, fence: Fence): AccountHealth {
  const { deps, settings } = context;
  const { clock, exchanges } = deps;
  const afterMs = settings.R3_ORDER_POSITION_TRACKER_DEGRADED_AFTER_MS;
  const { venue } = exchanges.account(accountId);
  /** The first reason stands: one that is told anew with each try would be no news. */
  let unreachable: Trouble | null = null;
  /** Whether the account was asked at all: before that what a leader before this one has told stands. */
  let isAsked = false;
  /** Instruments that can not be compared. */
  const failing = new Map<string, Trouble>();

  const missingOf = (instrumentId: string, known: readonly Degradation[]): Degradation[] => {
    const nowMs = clock.nowMs();
    // What goes on since an earlier leader is not waited for anew.
    const isLong = (code: DegradationCode, sinceMs: number) =>
      known.some((one) => one.code === code) || nowMs - sinceMs >= afterMs;
    const bannedUntilMs = exchanges.bannedUntilMs(venue);
    if (bannedUntilMs !== null) {
      const until = new Date(bannedUntilMs).toISOString();
      const text = `The venue takes nothing from here until ${until}: orders wait, cancels go first.`;
      return [{ code: "VENUE_BANNED", sinceMs: unreachable?.sinceMs ?? nowMs, text }];
    }
    if (unreachable !== null && isLong("ACCOUNT_UNREACHABLE", unreachable.sinceMs)) {
      const text = `The account ${accountId} cannot be asked for its orders, fills and balances. ${unreachable.reason}`;
      return [{ code: "ACCOUNT_UNREACHABLE", sinceMs: unreachable.sinceMs, text }];
    }
    // Nothing is known of it now: what was told stands.
    if (unreachable !== null) return known.filter(({ code }) => code !== "VENUE_BANNED");
    const trouble = failing.get(instrumentId);
    if (trouble === undefined || !isLong("RECONCILIATION_PENDING", trouble.sinceMs)) return [];
    const text = `Orders and fills of ${instrumentId} could not be compared with the venue's. ${trouble.reason}`;
    return [{ code: "RECONCILIATION_PENDING", sinceMs: trouble.sinceMs, text }];
  };

  return {
    compared(failed) {
      isAsked = true;
      unreachable = null;
      for (const id of failing.keys()) if (!failed.has(id)) failing.delete(id);
      for (const [id, reason] of failed) if (!failing.has(id)) failing.set(id, { sinceMs: clock.nowMs(), reason });
    },
    unreachable(error) {
      isAsked = true;
      unreachable ??= { sinceMs: clock.nowMs(), reason: sentenceOf(error) };
      if (!hasCode(error, "VENUE_BANNED")) {
        deps.log.warn({ accountId, error: sentenceOf(error) }, "account not reconciled");
      }
    },
    async report() {
      if (!isAsked) return;
      const sessions = await readMarketsAtWork(deps.db.sql, { accountId, onUnreadable: context.onUnreadable });
      const ids = sessions.map(({ id }) => id);
      const gaps = await readBookGaps(deps.db, ids);
      const atMs = clock.nowMs();
      for (const { id, run, instrumentId, degraded } of sessions) {
        const mine = degraded.filter(({ code }) => DEGRADATIONS[code].reporter === "order-position-tracker");
        const others = mine.filter(({ code }) => code !== "BOOK_INCOMPLETE");
        const wanted = begunAsTold([...missingOf(instrumentId, others), ...incompleteBook(gaps.get(id))], mine);
        if (Bun.deepEquals(mine, wanted)) continue;
        await deps.db.transaction(async (tx) => {
          await fence(tx);
          const session = { id, run, degraded };
          reportDegraded(tx, deps.bus, { session, reporter: "order-position-tracker", wanted, atMs });
        });
      }
    },
  };
}

/** Whoever leads: it is a row. */
function incompleteBook(gap: BookGap | undefined): Degradation[] {
  if (gap === undefined) return [];
  const text = `Nothing is sent for the session, no exit either: ${sayGap(gap)} It goes on once that is booked or discarded.`;
  return [{ code: "BOOK_INCOMPLETE", sinceMs: gap.seen_at_ms, text }];
}

/** What is missing, since when it was told. */
function begunAsTold(missing: readonly Degradation[], told: readonly Degradation[]): Degradation[] {
  const began = new Map(told.map(({ code, sinceMs }) => [code, sinceMs]));
  return missing.map((one) => ({ ...one, sinceMs: began.get(one.code) ?? one.sinceMs }));
}

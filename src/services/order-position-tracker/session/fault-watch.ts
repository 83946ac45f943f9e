import type { Fence } from "#services/order-position-tracker/account/reconcile.ts";
import { alerts } from "#services/order-position-tracker/alerts.ts";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { lockBalances } from "#services/order-position-tracker/money/money-store.ts";
import { failsByContent } from "#services/order-position-tracker/record/unbooked.ts";
import { clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { Tx } from "#shared/db/db.ts";
import { holdSessionState, readRun } from "#shared/db/reference-rows.ts";
import { hasCode, messageOf } from "#shared/errors/app-error.ts";
import { asSentence } from "#shared/errors/as-sentence.ts";
import type { Deps } from "#shared/service/service.ts";
import { reportFaulted } from "#shared/session-health/report-faulted.ts";
import { closableHoldings } from "./holdings.ts";
import { readUntoldFaults, type WatchedSession } from "./session-store.ts";

/** The scope of what concerns a session. */
export function sessionScope(sessionId: string): string {
  return `session:${sessionId}`;
}

/**
 * Raises the alert about a session that is FAULTED and holds a position, since nobody manages that. It ends when the session is
 * FAULTED no more, or with its last position, which `record/recorder.ts` books. Both lock the session's balances: so the one that
 * comes second sees what the first has written.
 */
export async function watchFaults(tx: Tx, context: TrackerContext, sessions: readonly WatchedSession[]): Promise<void> {
  const faulted = sessions.filter(({ state }) => state === "FAULTED");
  if (faulted.length > 0)
    await lockBalances(
      tx,
      faulted.map(({ id }) => id),
    );
  for (const session of sessions) await watchFault(tx, context, session);
}

async function watchFault(
  tx: Tx,
  { deps }: TrackerContext,
  { id, state, stateReason, accountId }: WatchedSession,
): Promise<void> {
  const alert = { scope: sessionScope(id), kind: alerts.FAULTED_WITH_POSITION };
  if (state !== "FAULTED") {
    await clearAlert(tx, deps, alert);
    // Nobody books anything of it any more that could end this.
    if (state === "DELETED") await clearAlert(tx, deps, { ...alert, kind: alerts.POSITION_BELOW_ZERO });
    return;
  }
  const held = await closableHoldings(tx, id);
  if (held.length === 0) return;
  const what = held.map(({ instrument }) => instrument.id).join(", ");
  await raiseAlert(tx, deps, {
    ...alert,
    text: `The session is FAULTED and holds a position in ${what} that nobody manages: ${asSentence(stateReason ?? "no reason was given")} Start it again, or stop it with the policy flatten.`,
    data: { sessionId: id, accountId },
  });
}

/** Reports a session as faulted, in its present run: what has happened is for a person to decide about. */
export async function reportFault(
  tx: Tx,
  { bus, clock }: Pick<Deps, "bus" | "clock">,
  { sessionId, reason }: { sessionId: string; reason: string },
): Promise<void> {
  const run = await readRun(tx.sql, sessionId);
  if (run === null) return;
  reportFaulted(tx, bus, { session: { id: sessionId, run }, reason, atMs: clock.nowMs() });
}

/**
 * The same of an account's sessions that were FAULTED before they held anything: an order that was on its way then, or that
 * the venue executes late, opens the position after it. Nothing is written where nothing is to be told.
 */
export async function findFaultsWithPosition(context: TrackerContext, accountId: string, fence: Fence): Promise<void> {
  const { db, log } = context.deps;
  for (const session of await readUntoldFaults(db, accountId)) {
    try {
      if ((await closableHoldings(db, session.id)).length === 0) continue;
      await db.transaction(async (tx) => {
        await fence(tx);
        if ((await holdSessionState(tx.sql, session.id)) === "FAULTED") await watchFaults(tx, context, [session]);
      });
    } catch (error) {
      if (hasCode(error, "FENCED") || !failsByContent(error)) throw error;
      // As where the row of its instrument cannot be read: the other sessions are told of.
      log.warn({ sessionId: session.id, reason: messageOf(error) }, "what a faulted session holds is not known");
    }
  }
}

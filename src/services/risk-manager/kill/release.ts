import { alerts } from "#services/risk-manager/alerts.ts";
import { clearAlert } from "#shared/alerts/raise-alert.ts";
import type { Tx } from "#shared/db/db.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { event, SESSION_REPORTS } from "#shared/messages/topics.ts";
import { type RiskTarget, scopeOf } from "#shared/risk/risk-scope.ts";
import { alertScopeOf, type KillDeps, refuseUnknown } from "./kill.ts";
import type { KillSummary } from "./kill-contract.ts";
import {
  endKills,
  isHeld,
  lockRiskStates,
  removeRiskState,
  sessionsThatRunOn,
  standingKills,
  stoppedSessions,
} from "./kill-store.ts";
import { urgently } from "./urgently.ts";

/**
 * Ends what holds a target, with the kills that stand for it. Nothing more is closed for them. Nothing changes where nothing held it.
 *
 * @throws AppError NOT_FOUND where there is no such session or account, and nothing holds one; CONFLICT where a session of a kill has not stopped, or a kill
 * is not flat yet and that is not to be abandoned
 */
export async function release(deps: KillDeps, target: RiskTarget, abandon: boolean): Promise<void> {
  await urgently(deps, async (tx) => {
    await lockRiskStates(tx);
    // What is gone, as a session that was deleted, may be held back yet.
    if (!(await isHeld(tx, scopeOf(target)))) await refuseUnknown(tx, deps, target);
    await endHalt(tx, deps, target, abandon);
    await removeRiskState(tx, scopeOf(target));
    tx.afterCommit(() => deps.log.warn({ scope: scopeOf(target) }, "released"));
  });
}

/**
 * Ends the kills of a target with their alert; their state of risk is left to the caller. Where one is abandoned the sessions that it
 * has stopped are told to keep what they hold. The table is locked.
 */
export async function endHalt(tx: Tx, deps: KillDeps, target: RiskTarget, abandon: boolean): Promise<void> {
  const scope = scopeOf(target);
  const kills = await standingKills(tx.sql, [scope]);
  const unfinished = kills.filter(({ state }) => state !== "FLAT");
  await refuseThoseThatRunOn(tx, kills);
  const [first] = unfinished;
  if (first !== undefined && !abandon) {
    const { id, flat, sessions } = first;
    const text = `The kill ${id} has not closed everything yet, ${flat} of its ${sessions} sessions are flat: wait until GET /api/risk-manager/kill/${id} says FLAT, or ask again with "abandon": true, and what is left stays as it is.`;
    throw new AppError("CONFLICT", "permanent", text, { details: { killId: id, flat, sessions } });
  }
  const atMs = deps.clock.nowMs();
  const abandoned = unfinished.map(({ id }) => id);
  await endKills(tx, { scope, abandoned, atMs });
  // Without it their stop, which has the policy flatten, would go on selling.
  for (const { id: sessionId, run, killId } of await stoppedSessions(tx, abandoned)) {
    const reason = "Its kill was abandoned: it keeps what it has.";
    deps.bus.publish(tx, [
      event(SESSION_REPORTS, sessionId, "report.abandoned", { sessionId, run, atMs, killId, reason }),
    ]);
  }
  await clearAlert(tx, deps, { scope: alertScopeOf(target), kind: alerts.KILLED });
}

/** A session that has not been told of its kill would trade on without a person having started it. */
async function refuseThoseThatRunOn(tx: Tx, kills: readonly KillSummary[]): Promise<void> {
  const { count, first } = await sessionsThatRunOn(
    tx,
    kills.map(({ id }) => id),
  );
  if (count === 0) return;
  const text = `${count} killed sessions have not stopped yet, the first is ${first}: wait until session-manager has been told of the kill, or stop each with POST /api/session-manager/sessions/<id>/stop; then ask again.`;
  throw new AppError("CONFLICT", "permanent", text, { details: { sessions: count, sessionId: first } });
}

import { alerts } from "#services/risk-manager/alerts.ts";
import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { Tx } from "#shared/db/db.ts";
import type { SessionState } from "#shared/domain/session.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { asSentence } from "#shared/errors/as-sentence.ts";
import { fingerprintOf } from "#shared/http/fingerprint.ts";
import { FLATTEN_SESSION } from "#shared/messages/tasks.ts";
import { event, SESSION_REPORTS } from "#shared/messages/topics.ts";
import { type RiskTarget, sayScope, scopeOf } from "#shared/risk/risk-scope.ts";
import type { Deps } from "#shared/service/service.ts";
import type { KillView, KillWish } from "./kill-contract.ts";
import {
  type ConcernedSession,
  concernedSessions,
  findByKey,
  isSession,
  type KillKey,
  lockRiskStates,
  readAccount,
  writeKill,
  writeRiskState,
} from "./kill-store.ts";
import { viewOf } from "./kill-view.ts";
import { urgently } from "./urgently.ts";

/** What a kill needs: Postgres alone answers it. */
export type KillDeps = Pick<Deps, "db" | "bus" | "queue" | "clock" | "log"> & {
  exchanges: Pick<Deps["exchanges"], "accounts">;
};

/** Before other tasks, as cancels are. */
const FIRST = 0;
/** A session in one of these is stopped by its kill; one that stops already, or is over, stays so. */
const STOPPED_BY_KILL: readonly SessionState[] = ["STARTING", "RUNNING", "PAUSED"];

/** Who asks, and under which Idempotency-Key, if any. */
export interface Asker {
  caller: string;
  key: string | null;
}

/** What a request names: it names one. */
export function targetOfWish({ session, account }: Pick<KillWish, "session" | "account">): RiskTarget {
  if (session !== undefined) return { session };
  return account === undefined ? { all: true } : { account };
}

/**
 * Halts a session, an account or all, and asks for each of their sessions to be made flat, in one commit: the state of risk, the
 * tasks, the reports that stop the sessions, and the alert. It waits for decisions and intents that have read the state before; none
 * that reads it later makes an entry or commits its intent. One that was committed before may leave yet, and is closed too. Gives
 * the kill, the same for the same key while it stands.
 *
 * @throws AppError NOT_FOUND where there is no such session or account; INVALID_INPUT where the key was used for another request;
 * CONFLICT where it was used for a kill that has been ended
 */
export async function kill(deps: KillDeps, wish: KillWish, asker: Asker): Promise<KillView> {
  const target = targetOfWish(wish);
  const under: KillKey = { ...asker, fingerprint: asker.key === null ? null : fingerprintOf(wish) };
  return urgently(deps, async (tx) => {
    await lockRiskStates(tx);
    const given = await givenBefore(tx, under);
    if (given !== null) return viewOf(tx.sql, given);
    await refuseUnknown(tx, deps, target);
    const [id, scope, atMs] = [crypto.randomUUID(), scopeOf(target), deps.clock.nowMs()];
    const sessions = await concernedSessions(tx, target);
    const reason = wish.reason ?? null;
    const cause = reason === null ? `killed by ${asker.caller}` : `killed by ${asker.caller}: ${reason}`;
    await writeRiskState(tx, { scope, level: 3, cause, sinceMs: atMs });
    await writeKill(tx, { id, scope, reason, sessions: sessions.map(asOfKill), atMs, ...under });
    for (const session of sessions) flatten(tx, deps, { killId: id, session, cause, atMs });
    const text = `${sayScope(scope)} HALTED: ${asSentence(cause)} GET /api/risk-manager/kill/${id} says when all is flat; POST /api/risk-manager/release lets it trade again.`;
    await raiseAlert(tx, deps, { scope: alertScopeOf(target), kind: alerts.KILLED, text, data: { killId: id } });
    tx.afterCommit(() => deps.log.warn({ killId: id, scope, sessions: sessions.length, cause }, "killed"));
    return viewOf(tx.sql, id);
  });
}

const isStopped = ({ state }: ConcernedSession) => STOPPED_BY_KILL.includes(state);
const asOfKill = (session: ConcernedSession) => ({ id: session.id, run: session.run, stops: isStopped(session) });

async function givenBefore(tx: Tx, under: KillKey): Promise<string | null> {
  const found = under.key === null ? null : await findByKey(tx, under);
  if (found === null) return null;
  if (found.fingerprint === under.fingerprint) {
    if (found.endedAtMs === null) return found.id;
    // The answer of then would say that something is halted which is not.
    const text = `This Idempotency-Key was used for the kill ${found.id}, which has been ended: nothing is halted by it. Ask with a new key.`;
    throw new AppError("CONFLICT", "permanent", text, { details: { killId: found.id } });
  }
  const message = "This Idempotency-Key was used for a request with another content.";
  const errors = [{ field: "headers.idempotency-key", message: "must be a new one for a new request" }];
  throw new AppError("INVALID_INPUT", "permanent", message, { details: { errors } });
}

function flatten(
  tx: Tx,
  { queue, bus }: KillDeps,
  of: { killId: string; session: ConcernedSession; cause: string; atMs: number },
): void {
  const { killId, session, cause, atMs } = of;
  const { id: sessionId, accountId, run } = session;
  const payload = { killId, sessionId, accountId, killedAtMs: atMs };
  void queue.enqueue(tx, { task: FLATTEN_SESSION, lane: sessionId, payload, priority: FIRST });
  if (!isStopped(session)) return;
  const reason = `It was ${asSentence(cause)}`;
  bus.publish(tx, [event(SESSION_REPORTS, sessionId, "report.killed", { sessionId, run, atMs, killId, reason })]);
}

/** NOT_FOUND where a request names what is not there: a slip of the hand must not pass for a halt. */
export async function refuseUnknown(tx: Tx, { exchanges }: KillDeps, target: RiskTarget): Promise<void> {
  if ("session" in target && !(await isSession(tx, target.session))) {
    throw new AppError("NOT_FOUND", "permanent", "There is no such session.");
  }
  if (!("account" in target)) return;
  const configured = exchanges.accounts.map(({ id }) => id);
  if ((await readAccount(tx.sql, target.account, configured)) === null) throw noAccount(target.account);
}

export function noAccount(id: string): AppError {
  const text = `There is no account ${id}: GET /api/risk-manager/accounts lists them.`;
  return new AppError("NOT_FOUND", "permanent", text);
}

/** Where the alert of a target's kill stands. */
export function alertScopeOf(target: RiskTarget): string {
  return "all" in target ? "risk:all" : scopeOf(target);
}

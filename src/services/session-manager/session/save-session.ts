import { alerts } from "#services/session-manager/alerts.ts";
import type { Store } from "#services/session-manager/store.ts";
import { clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { Tx } from "#shared/db/db.ts";
import { toDoAbout } from "#shared/domain/degradation.ts";
import type { Session } from "#shared/domain/session.ts";
import { asSentence } from "#shared/errors/as-sentence.ts";
import { event, SESSIONS } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";
import { type Origin, writeEvent } from "./event-store.ts";
import { changeOf } from "./session-event.ts";

type SaveDeps = Pick<Deps, "bus" | "clock">;

/**
 * Writes a changed session whose row is locked, with all that follows: its event, what its history says of it, and the alerts that
 * its state and its list ask for. Every change goes through here, whoever asked for it.
 */
export async function saveSession(
  tx: Tx,
  { deps, store }: { deps: SaveDeps; store: Pick<Store, "update"> },
  of: { before: Session; session: Session; origin: Origin; causationId?: string },
): Promise<void> {
  const { before, session, origin, causationId } = of;
  await store.update(tx, session);
  await writeEvent(tx, session, { ...changeOf(before, session), ...origin });
  const links = causationId === undefined ? {} : { causationId };
  deps.bus.publish(tx, [event(SESSIONS, session.id, "session.changed", { from: before.state, session }, links)]);
  await tellDegraded(tx, deps, before, session);
  await tellFaulted(tx, deps, before, session);
}

async function tellDegraded(tx: Tx, deps: SaveDeps, before: Session, session: Session): Promise<void> {
  const { id: sessionId, name, degraded } = session;
  const alert = { scope: `session:${sessionId}`, kind: alerts.SESSION_DEGRADED };
  if (degraded.length > 0) {
    const text = `The session "${name}" runs with something missing. ${degraded.map((one) => one.text).join(" ")}`;
    const codes = degraded.map(({ code }) => code);
    await raiseAlert(tx, deps, { ...alert, text, data: { sessionId, codes, toDo: toDoAbout(degraded) } });
  } else if (before.degraded.length > 0) await clearAlert(tx, deps, alert);
}

async function tellFaulted(tx: Tx, deps: SaveDeps, before: Session, session: Session): Promise<void> {
  const { id: sessionId, name, state, stateReason } = session;
  const alert = { scope: `session:${sessionId}`, kind: alerts.SESSION_FAULTED };
  if (state === "FAULTED") {
    const text = `The session "${name}" is FAULTED, and nothing new is sent for it: ${asSentence(stateReason ?? "no reason was told")}`;
    await raiseAlert(tx, deps, { ...alert, text, data: { sessionId } });
  } else if (before.state === "FAULTED") await clearAlert(tx, deps, alert);
}

import { saveSession } from "#services/session-manager/session/save-session.ts";
import type { Store } from "#services/session-manager/store.ts";
import { deadOfSessions } from "#shared/dead/dead-of-sessions.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { Deps } from "#shared/service/service.ts";
import { createFailureRow } from "#shared/telemetry/failure-row.ts";
import { comparedWithSettings } from "./missing-settings.ts";
import { NOTHING_REACHED } from "./report-rules.ts";

const ORIGIN = { by: "session-manager", cause: "settings" };

/**
 * Compares each session at work with the settings of this process and with what is dead of it: at once, and then every
 * `everyMs` until the signal aborts. Replicas may all do it: each locks the session's row and sees what another has written.
 */
export async function watchSettings(
  deps: Pick<Deps, "db" | "bus" | "clock" | "log" | "exchanges">,
  { store, everyMs }: { store: Store; everyMs: number },
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = deps;
  const failures = createFailureRow();
  while (!signal.aborted) {
    try {
      await compareAll(deps, store, signal);
      failures.clear();
    } catch (error) {
      const reason = messageOf(error);
      if (failures.note(reason)) log.warn({ reason, failures: failures.count }, "sessions not compared with settings");
    }
    await clock.sleep(everyMs, signal);
  }
}

async function compareAll(
  deps: Pick<Deps, "db" | "bus" | "clock" | "log" | "exchanges">,
  store: Store,
  signal: AbortSignal,
): Promise<void> {
  const { db, clock, log, exchanges: named } = deps;
  const [sessions, dead] = await Promise.all([store.atWork(), deadOfSessions(db.sql)]);
  for (const seen of sessions) {
    if (signal.aborted) return;
    const own = dead.get(seen.id) ?? null;
    if (comparedWithSettings(seen, { named, readiness: NOTHING_REACHED, dead: own }, clock.nowMs()) === undefined)
      continue;
    await db.transaction(async (tx) => {
      const before = await store.lock(tx, seen.id);
      if (before === null) return;
      const found = { named, readiness: await store.readiness(tx, seen.id), dead: own };
      const session = comparedWithSettings(before, found, clock.nowMs());
      if (session === undefined) return;
      await saveSession(tx, { deps, store }, { before, session, origin: ORIGIN });
      const codes = session.degraded.map(({ code }) => code);
      tx.afterCommit(() => log.info({ sessionId: session.id, degraded: codes }, "session compared with settings"));
    });
  }
}

import type { Bus } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Session } from "#shared/domain/session.ts";
import { event, SESSION_REPORTS } from "#shared/messages/topics.ts";

/**
 * Reports that a run of a session has failed, in a sentence for a person, who decides what follows. It may be told again:
 * session-manager takes the first of a run.
 */
export function reportFaulted(
  tx: Tx,
  bus: Pick<Bus, "publish">,
  of: { session: Pick<Session, "id" | "run">; reason: string; atMs: number },
): void {
  const { session, reason, atMs } = of;
  const report = { sessionId: session.id, run: session.run, atMs, reason };
  bus.publish(tx, [event(SESSION_REPORTS, session.id, "report.faulted", report)]);
}

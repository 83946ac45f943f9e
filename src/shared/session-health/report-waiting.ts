import type { Bus } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Session } from "#shared/domain/session.ts";
import { event, SESSION_REPORTS } from "#shared/messages/topics.ts";

/**
 * Reports why a session has not come to the step `until` yet, in a sentence for a person. It may be told again: session-manager
 * changes nothing where it says so already.
 */
export function reportWaiting(
  tx: Tx,
  bus: Pick<Bus, "publish">,
  of: {
    session: Pick<Session, "id" | "run">;
    until: "warm" | "reconciled" | "stopped";
    reason: string;
    atMs: number;
  },
): void {
  const { session, ...told } = of;
  bus.publish(tx, [
    event(SESSION_REPORTS, session.id, "report.waiting", { sessionId: session.id, run: session.run, ...told }),
  ]);
}

import type { Bus } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import { DEGRADATIONS, type Degradation, type DegradationReporter } from "#shared/domain/degradation.ts";
import type { Session } from "#shared/domain/session.ts";
import { event, SESSION_REPORTS } from "#shared/messages/topics.ts";

/**
 * Reports what a session runs without, as far as this reporter is the one to say it: what the session's row does not have
 * yet, and what is over. `wanted`: all that the reporter knows to be missing now. The row says what was reported before, so
 * any process may report and nothing is remembered. True: something was published.
 */
export function reportDegraded(
  tx: Tx,
  bus: Pick<Bus, "publish">,
  of: {
    session: Pick<Session, "id" | "run" | "degraded">;
    reporter: DegradationReporter;
    wanted: readonly Degradation[];
    atMs: number;
  },
): boolean {
  const { session, reporter, wanted, atMs } = of;
  const { id: sessionId, run, degraded } = session;
  const known = degraded.filter(({ code }) => DEGRADATIONS[code].reporter === reporter);
  const base = { sessionId, run, atMs };
  const begun = wanted
    .filter(({ code, text }) => !known.some((one) => one.code === code && one.text === text))
    .map((one) => event(SESSION_REPORTS, sessionId, "report.degraded", { ...base, ...one }));
  const over = known
    .filter(({ code }) => !wanted.some((one) => one.code === code))
    .map(({ code }) => event(SESSION_REPORTS, sessionId, "report.restored", { ...base, code }));
  bus.publish(tx, [...begun, ...over]);
  return begun.length + over.length > 0;
}

import type { BusEvent } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import { event, SESSION_REPORTS, SESSIONS } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";
import { applyReport, type Report } from "./report-rules.ts";
import type { Store } from "./store.ts";

/** Applies the reports of a batch to their sessions, in order, in the batch's transaction. */
export function createReportsHandler({ bus, clock, log }: Pick<Deps, "bus" | "clock" | "log">, store: Store) {
  return async (tx: Tx, events: readonly BusEvent[]): Promise<void> => {
    for (const received of events) {
      const sessionId = received.key;
      const session = await store.lock(tx, sessionId);
      if (session === null) continue;
      const report = readReport(received);
      const effect = applyReport(session, await store.readiness(tx, sessionId), report, clock.nowMs());
      if (effect.readiness !== undefined) await store.saveReadiness(tx, sessionId, effect.readiness);
      if (effect.session === undefined) continue;
      await store.update(tx, effect.session);
      const changed = event(SESSIONS, sessionId, "session.changed", { from: session.state, session: effect.session });
      bus.publish(tx, [{ ...changed, causationId: received.id }]);
      const fields = { sessionId, run: session.run, from: session.state, to: effect.session.state };
      tx.afterCommit(() => log.info({ ...fields, reason: effect.session?.stateReason }, "session changed by a report"));
    }
  };
}

function readReport({ type, data }: BusEvent): Report {
  switch (type) {
    case "report.warm":
    case "report.reconciled":
    case "report.stopped":
      return { type, run: SESSION_REPORTS.schemas[type].parse(data).run };
    case "report.waiting": {
      const { run, until, reason } = SESSION_REPORTS.schemas[type].parse(data);
      return { type, run, until, reason };
    }
    case "report.degraded": {
      const { run, code, sinceMs, text } = SESSION_REPORTS.schemas[type].parse(data);
      return { type, run, degradation: { code, sinceMs, text } };
    }
    case "report.restored": {
      const { run, code } = SESSION_REPORTS.schemas[type].parse(data);
      return { type, run, code };
    }
    default: {
      const { run, reason } = SESSION_REPORTS.schemas["report.faulted"].parse(data);
      return { type: "report.faulted", run, reason };
    }
  }
}

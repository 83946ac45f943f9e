import { saveSession } from "#services/session-manager/session/save-session.ts";
import type { Store } from "#services/session-manager/store.ts";
import type { EventOf } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import type { SESSION_REPORTS } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";
import { applyReport, type Report } from "./report-rules.ts";

type ReportEvent = EventOf<typeof SESSION_REPORTS>;
/** What may change a session. */
type SessionReport = Exclude<ReportEvent, { type: "report.denied" }>;
type TakerDeps = Pick<Deps, "bus" | "clock" | "log">;

/** Applies the reports of a batch to their sessions, in order, and counts denials, in the batch's transaction. */
export function createReportTaker(deps: TakerDeps, store: Store) {
  return async (tx: Tx, events: readonly ReportEvent[]): Promise<void> => {
    for (const received of events) {
      if (received.type === "report.denied") await store.countDenial(tx, received.key, received.data);
      else await takeReport(tx, deps, store, received);
    }
  };
}

async function takeReport(tx: Tx, deps: TakerDeps, store: Store, received: SessionReport): Promise<void> {
  const sessionId = received.key;
  const before = await store.lock(tx, sessionId);
  if (before === null) return;
  const report = readReport(received);
  const readiness = await store.readiness(tx, sessionId);
  const { session, ...reached } = applyReport(before, readiness, report, deps.clock.nowMs());
  if (reached.readiness !== undefined) await store.saveReadiness(tx, sessionId, reached.readiness);
  if (session === undefined) return;
  const origin = { by: received.source, cause: received.type };
  await saveSession(tx, { deps, store }, { before, session, origin, causationId: received.id });
  const fields = { sessionId, run: before.run, from: before.state, to: session.state, reason: session.stateReason };
  tx.afterCommit(() => deps.log.info(fields, "session changed by a report"));
}

function readReport({ type, data }: SessionReport): Report {
  switch (type) {
    case "report.warm":
    case "report.reconciled":
      return { type, run: data.run };
    case "report.stopped":
      return { type, run: data.run, reason: data.reason };
    case "report.faulted":
      return { type, run: data.run, reason: data.reason };
    case "report.killed":
    case "report.abandoned":
      return { type, run: data.run, killId: data.killId, reason: data.reason };
    case "report.waiting":
      return { type, run: data.run, until: data.until, reason: data.reason };
    case "report.degraded": {
      const { run, code, sinceMs, text } = data;
      return { type, run, degradation: { code, sinceMs, text } };
    }
    case "report.restored":
      return { type, run: data.run, code: data.code };
  }
}

import type { BusEvent } from "#shared/bus/bus.ts";
import type { Tx } from "#shared/db/db.ts";
import { SESSION_REPORTS } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";
import { applyReport, type Report } from "./report-rules.ts";
import { saveSession } from "./save-session.ts";
import type { Store } from "./store.ts";

type HandlerDeps = Pick<Deps, "bus" | "clock" | "log">;

/** Applies the reports of a batch to their sessions, in order, and counts denials, in the batch's transaction. */
export function createHandler(deps: HandlerDeps, store: Store) {
  return async (tx: Tx, events: readonly BusEvent[]): Promise<void> => {
    for (const received of events) {
      if (received.type === "report.denied") await countDenial(tx, store, received);
      else await takeReport(tx, deps, store, received);
    }
  };
}

async function countDenial(tx: Tx, store: Store, { key, data }: BusEvent): Promise<void> {
  await store.countDenial(tx, key, SESSION_REPORTS.schemas["report.denied"].parse(data));
}

async function takeReport(tx: Tx, deps: HandlerDeps, store: Store, received: BusEvent): Promise<void> {
  const sessionId = received.key;
  const before = await store.lock(tx, sessionId);
  if (before === null) return;
  const report = readReport(received);
  const readiness = await store.readiness(tx, sessionId);
  const { session, ...reached } = applyReport(before, readiness, report, deps.clock.nowMs());
  if (reached.readiness !== undefined) await store.saveReadiness(tx, sessionId, reached.readiness);
  if (session === undefined) return;
  await saveSession(tx, { deps, store }, { before, session, causationId: received.id });
  const fields = { sessionId, run: before.run, from: before.state, to: session.state, reason: session.stateReason };
  tx.afterCommit(() => deps.log.info(fields, "session changed by a report"));
}

function readReport({ type, data }: BusEvent): Report {
  switch (type) {
    case "report.warm":
    case "report.reconciled":
      return { type, run: SESSION_REPORTS.schemas[type].parse(data).run };
    case "report.stopped": {
      const { run, reason } = SESSION_REPORTS.schemas[type].parse(data);
      return { type, run, reason };
    }
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

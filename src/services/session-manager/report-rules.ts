import { mayTransition, type Session } from "#shared/domain/session.ts";
import { moved } from "./session-rules.ts";

/** What a service tells of one run of a session. */
export type Report =
  | { type: "report.warm"; run: number }
  | { type: "report.reconciled"; run: number }
  | { type: "report.stopped"; run: number }
  | { type: "report.faulted"; run: number; reason: string };

/** What the present run's start has reached. */
export interface Readiness {
  run: number;
  warm: boolean;
  reconciled: boolean;
}

/** What a report changes: the readiness, the session, or nothing. */
export interface ReportEffect {
  readiness?: Readiness;
  session?: Session;
}

/**
 * STARTING becomes RUNNING when strategy-executor is warm and order-position-tracker has reconciled, both in the present
 * run. STOPPING becomes STOPPED when the stop policy is done. A fault counts in every state that may fault. A report of
 * another run, or one that comes again, changes nothing.
 */
export function applyReport(session: Session, readiness: Readiness, report: Report, nowMs: number): ReportEffect {
  if (report.run !== session.run) return {};
  switch (report.type) {
    case "report.warm":
    case "report.reconciled":
      return session.state === "STARTING" ? readier(session, readiness, report.type, nowMs) : {};
    case "report.stopped":
      return session.state === "STOPPING" ? { session: moved(session, "STOPPED", null, nowMs) } : {};
    case "report.faulted":
      return mayTransition(session.state, "FAULTED")
        ? { session: moved(session, "FAULTED", report.reason, nowMs) }
        : {};
  }
}

function readier(session: Session, before: Readiness, type: Report["type"], nowMs: number): ReportEffect {
  const present = before.run === session.run ? before : { run: session.run, warm: false, reconciled: false };
  const readiness = type === "report.warm" ? { ...present, warm: true } : { ...present, reconciled: true };
  const isReady = readiness.warm && readiness.reconciled;
  return isReady ? { readiness, session: moved(session, "RUNNING", null, nowMs) } : { readiness };
}

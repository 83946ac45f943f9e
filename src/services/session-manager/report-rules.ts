import { isDeepStrictEqual } from "node:util";
import type { Degradation, DegradationCode } from "#shared/domain/degradation.ts";
import { mayTransition, type Session } from "#shared/domain/session.ts";
import type { StartStep } from "#shared/messages/topics.ts";
import { moved, STARTING_REASON } from "./session-rules.ts";

/** What a service tells of one run of a session. */
export type Report =
  | { type: "report.warm"; run: number }
  | { type: "report.reconciled"; run: number }
  | { type: "report.waiting"; run: number; until: StartStep; reason: string }
  | { type: "report.stopped"; run: number }
  | { type: "report.faulted"; run: number; reason: string }
  | { type: "report.degraded"; run: number; degradation: Degradation }
  | { type: "report.restored"; run: number; code: DegradationCode };

/** What the present run's start has reached. */
export interface Readiness {
  run: number;
  warm: boolean;
  reconciled: boolean;
  /** Why a step has not been reached yet, in a sentence, where that was told. */
  waits: Partial<Record<StartStep, string>>;
}
export const NOTHING_REACHED: Readiness = { run: 0, warm: false, reconciled: false, waits: {} };

/** What a report changes: the readiness, the session, or nothing. */
export interface ReportEffect {
  readiness?: Readiness;
  session?: Session;
}

/**
 * STARTING becomes RUNNING when strategy-executor is warm and order-position-tracker has reconciled, both in the present
 * run; until then its reason says what it waits for. STOPPING becomes STOPPED when the stop policy is done. A fault counts in every state that may fault. A report of
 * another run, or one that comes again, changes nothing.
 */
export function applyReport(session: Session, readiness: Readiness, report: Report, nowMs: number): ReportEffect {
  if (report.run !== session.run) return {};
  switch (report.type) {
    case "report.warm":
    case "report.reconciled":
    case "report.waiting":
      return session.state === "STARTING" ? readier(session, readiness, report, nowMs) : {};
    case "report.stopped":
      return session.state === "STOPPING" ? { session: moved(session, "STOPPED", null, nowMs) } : {};
    case "report.faulted":
      return mayTransition(session.state, "FAULTED")
        ? { session: moved(session, "FAULTED", report.reason, nowMs) }
        : {};
    case "report.degraded": {
      const { degradation } = report;
      const others = session.degraded.filter(({ code }) => code !== degradation.code);
      return AT_WORK.has(session.state) ? degradedTo(session, [...others, degradation], nowMs) : {};
    }
    case "report.restored":
      return degradedTo(
        session,
        session.degraded.filter(({ code }) => code !== report.code),
        nowMs,
      );
  }
}

/** States in which something can be missing. */
export const AT_WORK: ReadonlySet<Session["state"]> = new Set(["STARTING", "RUNNING", "PAUSED", "STOPPING", "FAULTED"]);

/** The session with another list of what is missing, oldest first; nothing where it is the same. */
export function degradedTo(session: Session, list: readonly Degradation[], nowMs: number): ReportEffect {
  const degraded = list.toSorted((a, b) => a.sinceMs - b.sinceMs);
  if (isDeepStrictEqual(degraded, session.degraded)) return {};
  return { session: { ...session, degraded, version: session.version + 1, updatedAtMs: nowMs } };
}

type StartReport = Extract<Report, { type: "report.warm" | "report.reconciled" | "report.waiting" }>;

function readier(session: Session, before: Readiness, report: StartReport, nowMs: number): ReportEffect {
  const readiness = reached(before.run === session.run ? before : { ...NOTHING_REACHED, run: session.run }, report);
  if (readiness.warm && readiness.reconciled) return { readiness, session: moved(session, "RUNNING", null, nowMs) };
  const reasons = new Set(Object.values(readiness.waits));
  const reason = reasons.size === 0 ? STARTING_REASON : [...reasons].join(" ");
  if (reason === session.stateReason) return { readiness };
  return { readiness, session: moved(session, "STARTING", reason, nowMs) };
}

function reached(before: Readiness, report: StartReport): Readiness {
  if (report.type === "report.waiting") {
    const { until, reason } = report;
    return before[until] ? before : { ...before, waits: { ...before.waits, [until]: reason } };
  }
  const step = report.type === "report.warm" ? "warm" : "reconciled";
  const { [step]: _over, ...waits } = before.waits;
  return { ...before, [step]: true, waits };
}

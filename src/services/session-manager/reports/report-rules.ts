import { isDeepStrictEqual } from "node:util";
import { moved, startingReason, stoppingReason, type Waits } from "#services/session-manager/session/session-rules.ts";
import type { Degradation, DegradationCode } from "#shared/domain/degradation.ts";
import { AT_WORK, mayTransition, type Session } from "#shared/domain/session.ts";
import type { StartStep } from "#shared/messages/topics.ts";

/** What a service tells of one run of a session. */
export type Report =
  | { type: "report.warm"; run: number }
  | { type: "report.reconciled"; run: number }
  | { type: "report.waiting"; run: number; until: StartStep | "stopped"; reason: string }
  | { type: "report.stopped"; run: number; reason: string | null }
  | { type: "report.faulted"; run: number; reason: string }
  | { type: "report.killed"; run: number; killId: string; reason: string }
  | { type: "report.abandoned"; run: number; killId: string; reason: string }
  | { type: "report.degraded"; run: number; degradation: Degradation }
  | { type: "report.restored"; run: number; code: DegradationCode };

/** What the present run's start has reached. */
export interface Readiness {
  run: number;
  warm: boolean;
  reconciled: boolean;
  waits: Waits;
}
export const NOTHING_REACHED: Readiness = { run: 0, warm: false, reconciled: false, waits: {} };

/** What a report changes: the readiness, the session, or nothing. */
export interface ReportEffect {
  readiness?: Readiness;
  session?: Session | undefined;
}

/**
 * STARTING becomes RUNNING when strategy-executor is warm and order-position-tracker has reconciled, both in the present
 * run; until then its reason says what it waits for. STOPPING becomes STOPPED when the stop policy is done. A fault counts
 * in every state that may fault. A killed session stops with the policy flatten; one that is FAULTED or over stays so.
 * One whose kill was abandoned goes on stopping with the policy keep; a stop that a person has asked for since is left as it is. A report of another run, or one that comes again, changes nothing.
 */
export function applyReport(session: Session, readiness: Readiness, report: Report, nowMs: number): ReportEffect {
  if (report.run !== session.run) return {};
  const { waits } = ofRun(readiness, session.run);
  switch (report.type) {
    case "report.warm":
    case "report.reconciled":
      return session.state === "STARTING" ? readier(session, readiness, report, nowMs) : {};
    case "report.waiting":
      if (report.until !== "stopped")
        return session.state === "STARTING"
          ? readier(session, readiness, { ...report, until: report.until }, nowMs)
          : {};
      return session.state === "STOPPING" && session.stateReason !== report.reason
        ? { session: moved(session, "STOPPING", report.reason, nowMs) }
        : {};
    case "report.stopped":
      return session.state === "STOPPING" ? { session: moved(session, "STOPPED", report.reason, nowMs) } : {};
    case "report.faulted":
      return mayTransition(session.state, "FAULTED")
        ? { session: moved(session, "FAULTED", report.reason, nowMs) }
        : {};
    case "report.killed":
      return mayTransition(session.state, "STOPPING") && session.state !== "FAULTED"
        ? {
            session: moved(
              { ...session, stopPolicy: "flatten", killId: report.killId },
              "STOPPING",
              report.reason,
              nowMs,
            ),
          }
        : {};
    case "report.abandoned":
      return session.killId === report.killId
        ? { session: moved({ ...session, stopPolicy: "keep", killId: null }, "STOPPING", report.reason, nowMs) }
        : {};
    case "report.degraded": {
      const { degradation } = report;
      const others = session.degraded.filter(({ code }) => code !== degradation.code);
      return { session: degradedTo(session, { list: [...others, degradation], waits }, nowMs) };
    }
    case "report.restored": {
      const list = session.degraded.filter(({ code }) => code !== report.code);
      return { session: degradedTo(session, { list, waits }, nowMs) };
    }
  }
}

/**
 * The session with another list of what is missing, oldest first. An entry that was there keeps the time at which it began.
 * Undefined: the list is the same, or the session is not at work.
 */
export function degradedTo(
  session: Session,
  { list, waits }: { list: readonly Degradation[]; waits: Waits },
  nowMs: number,
): Session | undefined {
  const began = new Map(session.degraded.map(({ code, sinceMs }) => [code, sinceMs]));
  const degraded = list
    .map((one) => ({ ...one, sinceMs: began.get(one.code) ?? one.sinceMs }))
    .toSorted((a, b) => a.sinceMs - b.sinceMs);
  if (!AT_WORK.includes(session.state) || isDeepStrictEqual(degraded, session.degraded)) return undefined;
  return moved({ ...session, degraded }, session.state, reasonWith(session, degraded, waits), nowMs);
}

/** Why it is in its state once this is missing. What was told of a stop stays. */
function reasonWith(session: Session, degraded: readonly Degradation[], waits: Waits): string | null {
  const { state, stateReason } = session;
  if (state === "STARTING") return startingReason(degraded, waits);
  const isOwn = stateReason === stoppingReason(session.degraded);
  return state === "STOPPING" && isOwn ? stoppingReason(degraded) : stateReason;
}

/** What was reached in this run: nothing of an earlier one counts. */
export function ofRun(readiness: Readiness, run: number): Readiness {
  return readiness.run === run ? readiness : { ...NOTHING_REACHED, run };
}

type StartReport =
  | Extract<Report, { type: "report.warm" | "report.reconciled" }>
  | (Extract<Report, { type: "report.waiting" }> & { until: StartStep });

function readier(session: Session, before: Readiness, report: StartReport, nowMs: number): ReportEffect {
  const readiness = reached(ofRun(before, session.run), report);
  if (readiness.warm && readiness.reconciled) return { readiness, session: moved(session, "RUNNING", null, nowMs) };
  const reason = startingReason(session.degraded, readiness.waits);
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

import { isDeepStrictEqual } from "node:util";
import type { Session, SessionState } from "#shared/domain/session.ts";

/** What happened to a session, each with the version that it led to. A kind is never given another meaning. */
export const SESSION_EVENTS = [
  "created",
  "changed",
  "started",
  "running",
  "paused",
  "resumed",
  "stopping",
  "stopped",
  "faulted",
  "waiting",
  "degraded",
  "restored",
  "deleted",
] as const;
export type SessionEventKind = (typeof SESSION_EVENTS)[number];

/** One event of a session, without who and when. */
export interface SessionChange {
  kind: SessionEventKind;
  /** Why it is in its state; null: nothing is to be said. */
  reason: string | null;
  /** What was changed, or what is missing (codes), or is missing no more. */
  what: string[];
}

const KINDS: Readonly<Record<SessionState, SessionEventKind>> = {
  CREATED: "created",
  STARTING: "started",
  RUNNING: "running",
  PAUSED: "paused",
  STOPPING: "stopping",
  STOPPED: "stopped",
  FAULTED: "faulted",
  DELETED: "deleted",
};

/** Beside these a change names what a person has set. */
const OWN: readonly string[] = ["state", "stateReason", "degraded", "run", "version", "updatedAtMs", "strategyVersion"];

/** What a change of a session came to. `before` null: it is new. */
export function changeOf(before: Session | null, session: Session): SessionChange {
  const { state, stateReason: reason } = session;
  if (before === null) return { kind: "created", reason: null, what: [] };
  const what = fieldsThatDiffer(before, session);
  if (before.state !== state) {
    const resumed = before.state === "PAUSED" && state === "RUNNING";
    return { kind: resumed ? "resumed" : KINDS[state], reason, what };
  }
  const [had, has] = [before, session].map(({ degraded }) => degraded.map(({ code }) => code));
  const [gone, come] = [difference(had, has), difference(has, had)];
  if (come.length > 0) return { kind: "degraded", reason: textsOf(session, come), what: come };
  if (gone.length > 0) return { kind: "restored", reason: null, what: gone };
  return what.length === 0 ? { kind: "waiting", reason, what } : { kind: "changed", reason: null, what };
}

function textsOf({ degraded }: Session, codes: readonly string[]): string {
  return degraded.flatMap(({ code, text }) => (codes.includes(code) ? [text] : [])).join(" ");
}

function difference(some: readonly string[] = [], others: readonly string[] = []): string[] {
  return some.filter((one) => !others.includes(one));
}

function fieldsThatDiffer(before: Session, session: Session): string[] {
  const now: Record<string, unknown> = session;
  return Object.entries(before).flatMap(([field, value]) =>
    OWN.includes(field) || isDeepStrictEqual(value, now[field]) ? [] : [field],
  );
}

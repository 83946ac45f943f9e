import type { Session } from "#shared/domain/session.ts";
import { AppError } from "#shared/errors/app-error.ts";

/** The ETag of a session is its version. */
export function etagOf(session: Session): string {
  return `"${session.version}"`;
}

/** PRECONDITION_FAILED (412) unless If-Match names this version, or is `*`, or is absent where it may be. */
export function checkIfMatch(session: Session, ifMatch: string | undefined): void {
  if (ifMatch === undefined) return;
  const tags = ifMatch.split(",").map((tag) => tag.trim());
  if (tags.includes("*") || tags.includes(etagOf(session))) return;
  throw new AppError("PRECONDITION_FAILED", "permanent", "The session has changed: read it again.", {
    details: { version: session.version },
  });
}

/** PRECONDITION_REQUIRED (428) where a change could overwrite another one unseen. */
export function requireIfMatch(ifMatch: string | undefined): void {
  if (ifMatch !== undefined) return;
  const text = "This change needs If-Match with the session's ETag, so that it cannot undo another one unseen.";
  throw new AppError("PRECONDITION_REQUIRED", "permanent", text);
}

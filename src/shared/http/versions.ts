import { z } from "zod";
import { AppError } from "#shared/errors/app-error.ts";

/** Any version, or ETags as HTTP writes them; a weak one never matches. */
const ETAGS = /^(\*|(W\/)?"[^"]*"(\s*,\s*(W\/)?"[^"]*")*)$/;

/** The header If-Match of a change of something that has versions. */
export const ifMatchSchema = z
  .string()
  .max(255, { abort: true })
  .regex(ETAGS, 'must be quoted, like "3", or *')
  .optional()
  .describe("ETag of the version that is meant");

/** The ETag of something is its version. */
export function etagOf({ version }: { version: number }): string {
  return `"${version}"`;
}

/** PRECONDITION_FAILED (412) unless If-Match names this version, or is `*`, or is absent where it may be. */
export function checkIfMatch(of: { version: number }, ifMatch: string | undefined): void {
  if (ifMatch === undefined) return;
  const tags = ifMatch.split(",").map((tag) => tag.trim());
  if (tags.includes("*") || tags.includes(etagOf(of))) return;
  const { version } = of;
  throw new AppError("PRECONDITION_FAILED", "permanent", "It has changed: read it again.", { details: { version } });
}

/** PRECONDITION_REQUIRED (428) where a change could undo another one unseen. */
export function requireIfMatch(ifMatch: string | undefined): void {
  if (ifMatch !== undefined) return;
  const text = "This change needs If-Match with the ETag of a GET, so that it cannot undo another one unseen.";
  throw new AppError("PRECONDITION_REQUIRED", "permanent", text);
}

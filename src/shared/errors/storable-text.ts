import { messageOf } from "./app-error.ts";

/** The text of a failure as a row takes it: without what Postgres refuses, and not without end. */
export function storableText(error: unknown): string {
  return messageOf(error).replaceAll("\0", "").slice(0, 2_000);
}

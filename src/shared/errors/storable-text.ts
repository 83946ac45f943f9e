import { messageOf } from "./app-error.ts";

/** Characters of a text that rows, events and alerts keep. */
const LONGEST = 2_000;

/** A text that others gave, as a row takes it: not without end, and without what Postgres refuses. */
export function storable(text: string): string {
  return text.slice(0, LONGEST).toWellFormed().replaceAll("\0", "");
}

/** The text of a failure as a row takes it. */
export function storableText(error: unknown): string {
  return storable(messageOf(error));
}

import { clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { Tx } from "#shared/db/db.ts";
import { decimal } from "#shared/domain/decimal.ts";
import { event } from "#shared/messages/topics.ts";
import { alerts } from "./alerts.ts";
import { type Note, TEMPLATE_NOTES } from "./messages.ts";
import type { Place } from "./place.ts";
import { writeNote } from "./store.ts";

/** Writes the note and tells of it, in the transaction of what asks for it. */
export async function notePosition(tx: Tx, { deps }: Place, { sessionId, instrumentId, size }: Note): Promise<void> {
  const note = { sessionId, instrumentId, size };
  await writeNote(tx, note);
  deps.bus.publish(tx, [event(TEMPLATE_NOTES, sessionId, "note.written", note)]);
}

/** Raises the alert of a position that is large, or ends it. Who is told already is not told again. */
export async function tellIfLarge(tx: Tx, { deps, settings }: Place, note: Note): Promise<void> {
  const { sessionId, instrumentId, size } = note;
  const alert = { scope: `session:${sessionId}`, kind: alerts.TEMPLATE_LARGE_POSITION };
  const largest = settings.R3_TEMPLATE_LARGE_SIZE;
  if (decimal(size).abs().gt(largest)) {
    const text = `The session holds ${size} of ${instrumentId}, more than ${largest}.`;
    await raiseAlert(tx, deps, { ...alert, text, data: { sessionId, size } });
  } else await clearAlert(tx, deps, alert);
}

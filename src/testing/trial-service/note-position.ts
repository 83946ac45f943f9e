import { clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { Tx } from "#shared/db/db.ts";
import { decimal } from "#shared/domain/decimal.ts";
import type { Position } from "#shared/domain/position.ts";
import { event } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";
import { alerts } from "./alerts.ts";
import { TRIAL_NOTES } from "./messages.ts";
import type { TrialSettings } from "./settings.ts";
import { writeNote } from "./store.ts";

/** Writes the note, tells of it, and of a position that is large: in one transaction with the end of the task. */
export async function notePosition(
  tx: Tx,
  { deps, settings }: { deps: Pick<Deps, "bus" | "clock">; settings: TrialSettings },
  { sessionId, size, instrumentId }: Position,
): Promise<void> {
  await writeNote(tx, { sessionId, size });
  const alert = { scope: `session:${sessionId}`, kind: alerts.TRIAL_LARGE_POSITION };
  const largest = settings.R3_TRIAL_LARGE_SIZE;
  if (decimal(size).abs().gt(largest)) {
    const text = `The session holds ${size} of ${instrumentId}, more than ${largest}.`;
    await raiseAlert(tx, deps, { ...alert, text, data: { sessionId, size } });
  } else await clearAlert(tx, deps, alert);
  deps.bus.publish(tx, [event(TRIAL_NOTES, sessionId, "note.written", { sessionId, size })]);
}

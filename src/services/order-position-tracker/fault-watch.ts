import { clearAlert, raiseAlert } from "#shared/alerts/alerts.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Session } from "#shared/domain/session.ts";
import { closableHoldings } from "./holdings.ts";
import type { Parts } from "./parts.ts";

/** The scope of what concerns a session. */
export function sessionScope(sessionId: string): string {
  return `session:${sessionId}`;
}

/**
 * A session that is FAULTED while it holds a position is told of: nobody manages that position. Over when it is FAULTED no
 * more, or when its last position is closed (`record-venue.ts`).
 */
export async function watchFault(
  tx: Tx,
  { deps }: Parts,
  { id, state, stateReason, accountId }: Pick<Session, "id" | "state" | "stateReason" | "accountId">,
): Promise<void> {
  const alert = { scope: sessionScope(id), code: "FAULTED_WITH_POSITION" } as const;
  if (state !== "FAULTED") {
    await clearAlert(tx, deps, alert);
    return;
  }
  const held = await closableHoldings(tx, id);
  if (held.length === 0) return;
  const what = held.map(({ instrument }) => instrument.id).join(", ");
  await raiseAlert(tx, deps, {
    ...alert,
    text: `The session is FAULTED and holds a position in ${what} that nobody manages: ${stateReason ?? "no reason was given"} Start it again, or stop it with the policy flatten.`,
    data: { sessionId: id, accountId },
  });
}

import type { Fence } from "#services/order-position-tracker/account/reconcile.ts";
import { alerts } from "#services/order-position-tracker/alerts.ts";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { clearAlert } from "#shared/alerts/raise-alert.ts";
import { sessionScope } from "./fault-watch.ts";
import { readToldOfEndedKills } from "./kill-store.ts";

/**
 * Ends KILL_NOT_FLAT of an account's sessions whose kill a person has ended, where the task that would do it is dead or was discarded.
 * Nothing is written where nothing is to be ended.
 */
export async function endKillsThatAreOver({ deps }: TrackerContext, accountId: string, fence: Fence): Promise<void> {
  for (const sessionId of await readToldOfEndedKills(deps.db, accountId))
    await deps.db.transaction(async (tx) => {
      await fence(tx);
      await clearAlert(tx, deps, { scope: sessionScope(sessionId), kind: alerts.KILL_NOT_FLAT });
    });
}

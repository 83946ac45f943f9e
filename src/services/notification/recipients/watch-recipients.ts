import { alerts } from "#services/notification/alerts.ts";
import { scopeOf } from "#services/notification/notices/notice.ts";
import type { Place } from "#services/notification/place.ts";
import { readOpen } from "#shared/alerts/open-alerts.ts";
import { clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { Leadership } from "#shared/leader/leader.ts";
import { listUnreadable } from "./recipient-store.ts";

/** Raises an alert for each recipient with preferences that cannot be read, and ends those that are over. */
export async function watchRecipients({ deps }: Place, { role, epoch }: Leadership): Promise<void> {
  const kind = alerts.NOTIFICATION_UNREADABLE;
  await deps.db.transaction(async (tx) => {
    await deps.leader.fence(tx, role, epoch);
    const found = new Map((await listUnreadable(tx)).map((one) => [scopeOf(one.id), one]));
    const open = (await readOpen(tx, [kind.code])).map(({ scope }) => scope);
    for (const scope of [...new Set([...found.keys(), ...open])].toSorted()) {
      const one = found.get(scope);
      if (one === undefined) {
        await clearAlert(tx, deps, { scope, kind });
        continue;
      }
      const { id: recipientId, name, unreadable } = one;
      const text = `Preferences of "${name}" cannot be read and count as not given: ${unreadable.join(", ")}.`;
      await raiseAlert(tx, deps, { scope, kind, text, data: { recipientId, name } });
    }
  });
}

import type { Context } from "#services/monitoring/context.ts";
import type { Running } from "#shared/bus/bus.ts";
import { ALERTS } from "#shared/messages/topics.ts";
import { endAlert, insertAlert } from "./alert-store.ts";

/** Keeps the history of the alerts of all services, exactly once: with the group's position in the topic. */
export function keepAlerts({ deps }: Context): Running {
  return deps.bus.subscribe({
    group: "monitoring",
    topics: [ALERTS],
    async handle(tx, events) {
      for (const event of events) {
        if (event.type === "alert.cleared") {
          await endAlert(tx, event.data);
          continue;
        }
        const { atMs: raisedAtMs, ...alert } = event.data;
        await insertAlert(tx, { ...alert, id: event.id, raisedAtMs });
      }
    },
  });
}

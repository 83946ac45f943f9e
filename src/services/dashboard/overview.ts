import { z } from "zod";
import type { AlertKinds } from "#shared/alerts/alert-kinds.ts";
import { listOpenAlerts, openAlertSchema } from "#shared/alerts/open-alerts.ts";
import { epochMs } from "#shared/domain/schemas.ts";
import { sessionStateSchema } from "#shared/domain/session.ts";
import type { Deps } from "#shared/service/service.ts";
import { sessionLineSchema } from "./session-line.ts";
import { countSessions, listSessions } from "./store.ts";

/** So many sessions and alerts are shown; the lists of their services have them all. */
const MOST = 50;

/** What the engine does now, on one page. */
export function overviewSchema(kinds: AlertKinds) {
  return z.object({
    sessions: z
      .array(sessionLineSchema)
      .max(MOST)
      .describe("Those that are FAULTED or at work first, of these the latest change first"),
    sessionCounts: z
      .array(
        z.object({
          state: sessionStateSchema.describe("Where they are in their life"),
          count: z.number().int().describe("How many"),
        }),
      )
      .describe("How many sessions there are, by state; a state that none is in is left out"),
    alerts: z.array(openAlertSchema(kinds)).max(MOST).describe("Open alerts of all services, newest first"),
    queues: z
      .array(
        z.object({
          queue: z.string().describe("The service that works it"),
          open: z.number().int().describe("Tasks that are not done, nor dead"),
          oldestCreatedAtMs: epochMs.describe("When the oldest of them was made, UTC epoch milliseconds"),
        }),
      )
      .describe("What waits in task queues; a queue where nothing waits is left out"),
  });
}
export type Overview = z.infer<ReturnType<typeof overviewSchema>>;

/** Reads it from the rows, so that it is true while the services that write them are away. */
export async function readOverview({
  db,
  queue,
  alertKinds,
}: Pick<Deps, "db" | "queue" | "alertKinds">): Promise<Overview> {
  const [sessions, sessionCounts, alerts, queues] = await Promise.all([
    listSessions(db.sql, MOST),
    countSessions(db.sql),
    listOpenAlerts({ sql: db.sql, kinds: alertKinds }, {}, { after: null, limit: MOST }),
    queue.backlog(),
  ]);
  return { sessions, sessionCounts, alerts, queues };
}

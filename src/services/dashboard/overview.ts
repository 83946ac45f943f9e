import { z } from "zod";
import { type AlertKinds, severitySchema } from "#shared/alerts/alert-kinds.ts";
import { countOpenAlerts, listOpenAlerts, type OpenAlert, openAlertSchema } from "#shared/alerts/open-alerts.ts";
import { countSessionStates } from "#shared/db/reference-rows.ts";
import { epochMs } from "#shared/domain/schemas.ts";
import { SESSION_STATES } from "#shared/domain/session.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { Deps } from "#shared/service/service.ts";
import { sessionLineSchema } from "./session-line.ts";
import { listSessions } from "./store.ts";

/** So many sessions and alerts are shown; the lists of their services have them all. */
const MOST = 50;

const countsSchema = <Word extends string>(words: readonly Word[]) => z.partialRecord(z.enum(words), z.number().int());

/** What the engine does now, on one page. */
export function overviewSchema(kinds: AlertKinds) {
  return z.object({
    sessions: z
      .array(sessionLineSchema)
      .max(MOST)
      .describe("Those that are FAULTED or at work first, of these the latest change first"),
    sessionCounts: countsSchema(SESSION_STATES).describe("How many sessions there are, by state; 0 is left out"),
    alerts: z
      .array(openAlertSchema(kinds))
      .max(MOST)
      .describe("Open alerts of all services: critical ones first, of these the newest first"),
    alertCounts: countsSchema(severitySchema.options).describe("How many alerts are open, by severity; 0 is left out"),
    services: z
      .array(
        z.object({
          service: z.string().describe("Its name"),
          ready: z.number().int().describe("How many of its instances are alive and take work"),
          instances: z.number().int().describe("How many of its instances are alive"),
          versions: z.array(z.string()).describe("Versions of those that are alive"),
          waitsFor: z.array(z.string()).describe("What those wait for that take no work"),
          events: z.number().int().describe("Events that it has not handled yet"),
          dead: z.number().int().describe("Events and tasks of it that wait for a person"),
        }),
      )
      .nullable()
      .describe("Services as monitoring sees them; null: it does not answer"),
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

type OverviewDeps = Pick<Deps, "db" | "queue" | "alertKinds" | "clients" | "log">;

/** Reads it from the rows, so that it is true while the services that write them are away; services alone are asked for. */
export async function readOverview(deps: OverviewDeps): Promise<Overview> {
  const { db, queue } = deps;
  const [sessions, sessionCounts, alerts, alertCounts, services, queues] = await Promise.all([
    listSessions(db.sql, MOST),
    countSessionStates(db.sql, null),
    listWorstAlerts(deps),
    countOpenAlerts(db.sql),
    readServices(deps),
    queue.backlog(),
  ]);
  return { sessions, sessionCounts, alerts, alertCounts, services, queues };
}

/** Critical ones first, then the newest of all others. */
async function listWorstAlerts({ db, alertKinds: kinds }: OverviewDeps): Promise<OpenAlert[]> {
  const of = { sql: db.sql, kinds };
  const [critical, newest] = await Promise.all([
    listOpenAlerts(of, { severity: "critical", limit: MOST }),
    listOpenAlerts(of, { limit: MOST }),
  ]);
  return [...critical, ...newest.filter(({ severity }) => severity !== "critical")].slice(0, MOST);
}

async function readServices({ clients, log }: OverviewDeps): Promise<Overview["services"]> {
  try {
    return (await clients.monitoring.services()).map(({ service, ready, instances, lag, dead }) => {
      const alive = instances.filter(({ standing }) => standing === "alive");
      return {
        service,
        ready,
        instances: alive.length,
        versions: [...new Set(alive.map(({ version }) => version))],
        waitsFor: [...new Set(alive.flatMap(({ waitsFor }) => waitsFor))],
        events: lag.reduce((sum, { events }) => sum + events, 0),
        dead,
      };
    });
  } catch (error) {
    log.debug({ error: messageOf(error) }, "monitoring was asked in vain");
    return null;
  }
}

import { z } from "zod";
import { type AlertKinds, severitySchema } from "#shared/alerts/alert-kinds.ts";
import { clearByHand } from "#shared/alerts/clear-by-hand.ts";
import { alertCodeSchema, listOpenAlerts, openAlertSchema } from "#shared/alerts/open-alerts.ts";
import { epochMs } from "#shared/domain/schemas.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import type { Deps } from "#shared/service/service.ts";

const scopeText = z.string().min(1).max(300);
const cursor = z.tuple([epochMs, z.string(), z.string()]);

function filterOf(kinds: AlertKinds) {
  return pageQuery.extend({
    scope: scopeText.optional().describe('Only of scopes that begin so, such as "session:"'),
    code: alertCodeSchema(kinds).optional().describe("Only of this code"),
    severity: severitySchema.optional().describe("Only of this severity"),
  });
}

function clearSchema(kinds: AlertKinds) {
  return z.strictObject({
    scope: scopeText.describe("What the alert is about, as it stands there"),
    code: alertCodeSchema(kinds).describe("Which alert it is"),
  });
}

/** What they stand on. */
export type AlertDeps = Pick<Deps, "db" | "bus" | "alertKinds" | "clock" | "log">;

/** REST of open alerts, of whichever service, until monitoring takes it over. */
export function createAlertRoutes(deps: AlertDeps) {
  const { alertKinds: kinds } = deps;
  return httpBase("session-manager", deps.log)
    .get(
      "/alerts",
      async ({ query: { limit, cursor: from, ...which } }) => {
        const after = readCursor(from, cursor);
        const rows = await listOpenAlerts({ sql: deps.db.sql, kinds }, which, { after, limit: limit + 1 });
        return pageOf(rows, limit, ({ raisedAtMs, scope, code }) => [raisedAtMs, scope, code]);
      },
      {
        query: filterOf(kinds),
        response: { 200: pageSchema(openAlertSchema(kinds)) },
        detail: { summary: "Lists the open alerts of all services, newest first" },
      },
    )
    .post(
      "/alerts/clear",
      async ({ body }) => {
        await clearByHand(deps, body);
        return new Response(null, { status: 204 });
      },
      {
        body: clearSchema(kinds),
        detail: {
          summary: "Clears an alert of something that has happened, once a person has dealt with it",
          responses: {
            204: { description: "It is cleared" },
            404: { description: "None is open" },
            409: { description: "It ends by itself" },
          },
        },
      },
    );
}

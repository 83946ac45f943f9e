import { Elysia } from "elysia";
import { z } from "zod";
import { createDeadRoutes } from "#shared/dead/dead-routes.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { createAlertRoutes } from "./alerts/alert-routes.ts";
import { atRestSchema, readAtRest } from "./at-rest.ts";
import type { Context } from "./context.ts";
import { createForgetRoutes } from "./instances/forget-routes.ts";
import { readRoles, readServices, roleSchema, serviceSchema } from "./instances/views.ts";
import { statusPage } from "./page/status-page.ts";
import { createRuleRoutes } from "./rules/rule-routes.ts";

const cursor = z.tuple([z.string()]);

/** REST of what monitoring sees, and its page. Any instance answers. */
export function createRoutes(context: Context) {
  return new Elysia()
    .use(createViews(context))
    .use(createForgetRoutes(context))
    .use(createAlertRoutes(context))
    .use(createRuleRoutes(context))
    .use(createDeadRoutes("monitoring", context.deps));
}

function createViews(context: Context) {
  const { deps } = context;
  return httpBase("monitoring", deps.log)
    .get("/", () => statusPage(context), {
      detail: {
        summary: "The status page for a person: services, processes, alerts, sessions, leaders; it reloads itself",
        responses: { 200: { description: "As asked", content: { "text/html": { schema: { type: "string" } } } } },
      },
    })
    .get(
      "/services",
      async ({ query: { limit, cursor: from } }) => {
        const [after] = readCursor(from, cursor) ?? [""];
        const rows = (await readServices(context)).filter(({ service }) => service > after);
        return pageOf(rows.slice(0, limit + 1), limit, ({ service }) => [service]);
      },
      {
        query: pageQuery,
        response: { 200: pageSchema(serviceSchema) },
        detail: { summary: "Lists the services with their instances, versions, health, lag and tasks" },
      },
    )
    .get(
      "/leaders",
      async ({ query: { limit, cursor: from } }) => {
        const [after] = readCursor(from, cursor) ?? [""];
        const rows = (await readRoles(context)).filter(({ role }) => role > after);
        return pageOf(rows.slice(0, limit + 1), limit, ({ role }) => [role]);
      },
      {
        query: pageQuery,
        response: { 200: pageSchema(roleSchema) },
        detail: { summary: "Lists the roles that there is one leader of, partitions among them, and who has them" },
      },
    )
    .get("/at-rest", () => readAtRest(deps), {
      response: { 200: atRestSchema },
      detail: { summary: "Whether nothing is under way in the engine: no event undelivered, no task open" },
    });
}

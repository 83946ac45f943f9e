import { Elysia } from "elysia";
import type { Running } from "#shared/bus/bus.ts";
import { createDeadRoutes } from "#shared/dead/dead-routes.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { SESSION_REPORTS } from "#shared/messages/topics.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import { createIdempotencyKeys } from "./idempotency/idempotency.ts";
import { watchSettings } from "./reports/settings-watch.ts";
import { createReportTaker } from "./reports/take-reports.ts";
import { createRoutes } from "./routes.ts";
import { createCommands } from "./session/commands.ts";
import { removeEvents } from "./session/event-store.ts";
import type { Settings } from "./settings.ts";
import { createStore } from "./store.ts";

const DAY_MS = 86_400_000;

/**
 * session-manager: answers REST, follows the reports of those who carry sessions out and what risk denies, compares sessions
 * with the settings, forgets old keys and what happened long ago.
 */
export function createSessionManager(deps: Deps, settings: Settings): Service {
  const { db, bus, clock, log } = deps;
  const store = createStore(db);
  const keys = createIdempotencyKeys(db, clock, settings.R3_SESSION_MANAGER_IDEMPOTENCY_MS);
  const ended = new AbortController();
  let reports: Running | undefined;
  let reading = false;
  let working: Promise<void>[] = [];

  const keptMs = settings.R3_SESSION_MANAGER_EVENTS_DAYS * DAY_MS;
  const sweep = async () => {
    while (!ended.signal.aborted) {
      await keys.sweep().catch((error: unknown) => log.warn({ reason: messageOf(error) }, "old keys not removed"));
      await removeEvents(db.sql, clock.nowMs() - keptMs).catch((error: unknown) =>
        log.warn({ reason: messageOf(error) }, "old events of sessions not removed"),
      );
      await clock.sleep(settings.R3_SESSION_MANAGER_SWEEP_MS, ended.signal);
    }
  };

  return {
    routes: new Elysia()
      .use(createRoutes(deps, createCommands({ deps, store, keys }), store))
      .use(createDeadRoutes("session-manager", deps)),
    async start() {
      reports = bus.subscribe({
        group: "session-manager",
        topics: [SESSION_REPORTS],
        handle: createReportTaker(deps, store),
      });
      await reports.ready;
      reading = true;
      const everyMs = settings.R3_SESSION_MANAGER_WATCH_MS;
      working = [sweep(), watchSettings(deps, { store, everyMs }, ended.signal)];
    },
    async stop() {
      ended.abort();
      await reports?.close();
      await Promise.all(working);
    },
    notReady: () => (reading ? [] : ["its topics"]),
  };
}

import { Elysia } from "elysia";
import type { Running } from "#shared/bus/bus.ts";
import { createDeadRoutes } from "#shared/dead/dead-routes.ts";
import { ALERTS, ORDERS, SESSIONS } from "#shared/messages/topics.ts";
import type { Service } from "#shared/service/service.ts";
import { deliverMessages, takeMessages } from "./delivery/deliver.ts";
import { makeMessages } from "./notices/make-messages.ts";
import { isTold } from "./notices/notice.ts";
import { startTimer } from "./notices/timer.ts";
import type { Place } from "./place.ts";
import { createRoutes } from "./recipients/routes.ts";
import { DELIVER_MESSAGES } from "./tasks.ts";

/** Makes messages of events, a row for each recipient, and sends them: a lane a recipient, leased by one process at a time. */
export function createNotification(given: Omit<Place, "stopping">): Service {
  const stopping = new AbortController();
  const place = { ...given, stopping: stopping.signal };
  const { bus, queue } = place.deps;
  const running: Running[] = [];
  let started = false;
  const begin = (): Running[] => [
    queue.work({
      queue: DELIVER_MESSAGES.queue,
      tasks: [DELIVER_MESSAGES],
      concurrency: place.settings.R3_NOTIFICATION_CONCURRENCY,
      mode: "lease",
      first: takeMessages,
      async handle(lane, task, first) {
        if (first !== null) await deliverMessages(place, { lane, task, first });
      },
    }),
    bus.subscribe({
      group: "notification",
      topics: [ALERTS, ORDERS, SESSIONS],
      concerns: isTold,
      handle: (tx, events) => makeMessages(tx, place, events),
    }),
    startTimer(place),
  ];
  return {
    async start() {
      running.push(...begin());
      await Promise.all(running.map(({ ready }) => ready));
      started = true;
    },
    async stop() {
      started = false;
      stopping.abort();
      for (const one of running.splice(0).reverse()) await one.close();
    },
    notReady: () => (started ? [] : ["its work"]),
    routes: new Elysia().use(createRoutes(place)).use(createDeadRoutes("notification", place.deps)),
  };
}

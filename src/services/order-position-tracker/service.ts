import { Elysia } from "elysia";
import type { Running } from "#shared/bus/bus.ts";
import { createDeadRoutes } from "#shared/dead/dead-routes.ts";
import { CANCEL_ORDER, FLATTEN_SESSION, PLACE_ORDER } from "#shared/messages/tasks.ts";
import { MARKET_CANDLES, SESSIONS } from "#shared/messages/topics.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import { accountRole, followAccount } from "./account/account-stream.ts";
import { createServerClocks } from "./account/server-clocks.ts";
import type { TrackerContext } from "./context.ts";
import { createKnownInstruments } from "./known-instruments.ts";
import { createEquityCurve } from "./money/equity.ts";
import { beginCancel } from "./orders/cancel-order.ts";
import { NOTHING_TO_DO } from "./orders/next-move.ts";
import { beginPlacing } from "./orders/place-order.ts";
import { lockNextStanding } from "./orders/standing-store.ts";
import { workOrder } from "./orders/work-order.ts";
import { RecordedAnswers } from "./record/recorded-answers.ts";
import { createRecorder } from "./record/recorder.ts";
import { createRoutes } from "./routes.ts";
import { watchFaults } from "./session/fault-watch.ts";
import { flattenSession } from "./session/flatten-session.ts";
import { createSessionFollower } from "./session/follow-sessions.ts";
import type { OrderPositionTrackerSettings } from "./settings.ts";
import { createUnreadableRows } from "./unreadable-rows.ts";

const GROUP = "order-position-tracker";

function workOrders(context: TrackerContext): Running {
  return context.deps.queue.work({
    queue: PLACE_ORDER.queue,
    tasks: [PLACE_ORDER, CANCEL_ORDER, FLATTEN_SESSION],
    concurrency: context.settings.R3_ORDER_POSITION_TRACKER_CONCURRENCY,
    mode: "lease",
    ahead: (tx, lane) => lockNextStanding(tx, context, lane),
    first: (tx, task, ahead) => {
      switch (task.type) {
        case "place-order":
          return beginPlacing(tx, context, { task, request: task.payload.order, ahead });
        case "cancel-order":
          return beginCancel(tx, context, task, task.payload);
        case "flatten-session":
          return Promise.resolve(NOTHING_TO_DO);
        default:
          throw new RangeError(`No step begins the task ${String(task satisfies never)}.`);
      }
    },
    handle: (lane, task, first) =>
      task.type === "flatten-session" ? flattenSession(lane, context, task) : workOrder(lane, context, task, first),
  });
}

function followTopics(context: TrackerContext): Running {
  const equity = createEquityCurve(context.deps);
  const sessions = createSessionFollower(context);
  const running = context.deps.bus.subscribe({
    group: GROUP,
    topics: [SESSIONS, MARKET_CANDLES],
    handle: async (tx, events, unit) => {
      const told = events.map(({ data }) => data.session);
      await watchFaults(tx, context, told);
      tx.afterCommit(() => {
        for (const session of told) sessions.look(session, unit);
      });
    },
    handleVolatile: (events) => equity.follow(events.map(({ data }) => data)),
    onAcquired: (unit) => sessions.lookAll(unit),
    onReleased: (unit) => sessions.drained(unit),
  });
  return running;
}

/** Places and cancels orders as tasks, follows the accounts it leads, and keeps money and equity. No state in the process that another could not do without. */
export function createOrderPositionTracker(deps: Deps, settings: OrderPositionTrackerSettings): Service {
  const onUnreadable = createUnreadableRows(deps);
  const instruments = createKnownInstruments(deps.db, onUnreadable);
  const serverClocks = createServerClocks(deps);
  const recorder = createRecorder(deps, instruments);
  const context: TrackerContext = {
    deps,
    settings,
    instruments,
    onUnreadable,
    serverClocks,
    recorder,
    answers: new RecordedAnswers(),
  };
  const stopping = new AbortController();
  const running: Running[] = [];
  const leading: Promise<void>[] = [];
  let started = false;
  return {
    async start() {
      running.push(workOrders(context), followTopics(context));
      for (const { id } of deps.exchanges.accounts) {
        leading.push(
          deps.leader.lead(accountRole(id), stopping.signal, (leadership) => followAccount(context, id, leadership)),
        );
      }
      leading.push(serverClocks.keepMeasured(settings.R3_ORDER_POSITION_TRACKER_CLOCK_INTERVAL_MS, stopping.signal));
      await Promise.all(running.map((one) => one.ready));
      started = true;
    },
    async stop() {
      started = false;
      stopping.abort();
      for (const one of running.splice(0).reverse()) await one.close();
      await Promise.all(leading.splice(0));
    },
    venueClocks: () => serverClocks.readings(),
    notReady: () => (started ? [] : ["its queue and its topics"]),
    routes: new Elysia().use(createRoutes(context)).use(createDeadRoutes(GROUP, deps)),
  };
}

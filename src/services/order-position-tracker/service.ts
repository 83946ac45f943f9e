import { Elysia } from "elysia";
import type { Running } from "#shared/bus/bus.ts";
import { createDeadRoutes } from "#shared/dead/dead-routes.ts";
import type { Order } from "#shared/domain/order.ts";
import { CANCEL_ORDER, PLACE_ORDER } from "#shared/messages/tasks.ts";
import { MARKET_CANDLES, SESSIONS } from "#shared/messages/topics.ts";
import type { LeasedLane, Task } from "#shared/queue/queue.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import { accountRole, followAccount } from "./account/account-stream.ts";
import { createServerClocks } from "./account/server-clocks.ts";
import { createInstruments } from "./instruments.ts";
import { createEquityCurve } from "./money/equity.ts";
import { createRecorder } from "./money/record-venue.ts";
import { beginCancel, cancelOrder } from "./orders/cancel-order.ts";
import { lockNextIntent } from "./orders/intent-store.ts";
import { beginPlacing, type NextMove, sendOrder } from "./orders/place-order.ts";
import { RecordedAnswers } from "./orders/recorded-answers.ts";
import { resolveOrder } from "./orders/resolve-order.ts";
import type { Parts } from "./parts.ts";
import { createRoutes } from "./routes.ts";
import { watchFaults } from "./session/fault-watch.ts";
import { createSessionFollower } from "./session/follow-sessions.ts";
import type { OrderPositionTrackerSettings } from "./settings.ts";

const GROUP = "order-position-tracker";

/** What comes after the commit that took the lane. */
async function goOn(lane: LeasedLane, parts: Parts, task: Task, next: NextMove): Promise<void> {
  if (next.move === "nothing") return;
  const order: Order = next.order;
  if (next.move === "send") return sendOrder(lane, parts, task, order);
  if (next.move === "resolve") {
    const again = await resolveOrder(lane, parts, task, order);
    return again === null ? undefined : sendOrder(lane, parts, task, again);
  }
  return cancelOrder(lane, parts, task, order);
}

function workOrders(parts: Parts): Running {
  return parts.deps.queue.work({
    queue: PLACE_ORDER.queue,
    tasks: [PLACE_ORDER, CANCEL_ORDER],
    concurrency: parts.settings.R3_ORDER_POSITION_TRACKER_CONCURRENCY,
    mode: "lease",
    ahead: (tx, lane) => lockNextIntent(tx, parts, lane),
    first: (tx, task, ahead) =>
      task.type === "place-order"
        ? beginPlacing(tx, parts, { task, request: task.payload.order, ahead })
        : beginCancel(tx, parts, task, task.payload),
    handle: (lane, task, first) => goOn(lane, parts, task, first),
  });
}

function followTopics(parts: Parts): Running {
  const equity = createEquityCurve(parts.deps);
  const sessions = createSessionFollower(parts);
  const running = parts.deps.bus.subscribe({
    group: GROUP,
    topics: [SESSIONS, MARKET_CANDLES],
    handle: async (tx, events, unit) => {
      const told = events.map(({ data }) => data.session);
      await watchFaults(tx, parts, told);
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
  const instruments = createInstruments(deps.db);
  const serverClocks = createServerClocks(deps.exchanges, deps.clock);
  const recorder = createRecorder(deps, instruments);
  const parts: Parts = { deps, settings, instruments, serverClocks, recorder, answers: new RecordedAnswers() };
  const stopping = new AbortController();
  const running: Running[] = [];
  const leading: Promise<void>[] = [];
  let started = false;
  return {
    async start() {
      running.push(workOrders(parts), followTopics(parts));
      for (const { id } of deps.exchanges.accounts) {
        leading.push(
          deps.leader.lead(accountRole(id), stopping.signal, (leadership) => followAccount(parts, id, leadership)),
        );
      }
      await Promise.all(running.map((one) => one.ready));
      started = true;
    },
    async stop() {
      started = false;
      stopping.abort();
      for (const one of running.splice(0).reverse()) await one.close();
      await Promise.all(leading.splice(0));
    },
    notReady: () => (started ? [] : ["its queue and its topics"]),
    routes: new Elysia().use(createRoutes(parts)).use(createDeadRoutes(GROUP, deps)),
  };
}

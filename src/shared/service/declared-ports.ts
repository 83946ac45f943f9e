import type { Bus, Topic } from "#shared/bus/bus.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { ALERTS } from "#shared/messages/topics.ts";
import type { TaskQueue, TaskType } from "#shared/queue/queue.ts";
import type { ServiceDefinition } from "./service.ts";

type Declared = Pick<ServiceDefinition, "name" | "topics" | "tasks" | "alerts">;

function undeclared(service: string, does: string, what: string): AppError {
  const text = `${service} ${does} "${what}", which its definition (src/services/${service}/index.ts) does not say.`;
  return new AppError("INTERNAL", "permanent", text);
}

/** The bus as a service has it: it follows, publishes and raises what its definition says. Anything else is INTERNAL. */
export function declaredBus(bus: Bus, { name, topics, alerts }: Declared): Bus {
  const [followed, published] = [new Set(topics.in), new Set(topics.out)];
  const refuseIn = (topic: Topic): void => {
    if (!followed.has(topic)) throw undeclared(name, "follows the topic", topic.name);
  };
  const refuseOut = (events: Parameters<Bus["publish"]>[1]): void => {
    for (const { topic, type, data } of events) {
      if (!published.has(topic)) throw undeclared(name, "publishes on the topic", topic.name);
      if (topic !== ALERTS || type !== "alert.raised") continue;
      const { code } = ALERTS.schemas[type].parse(data);
      if (!Object.hasOwn(alerts, code)) throw undeclared(name, "raises the alert", code);
    }
  };
  return {
    ...bus,
    publish(tx, events) {
      refuseOut(events);
      bus.publish(tx, events);
    },
    publishVolatile(events) {
      refuseOut(events);
      return bus.publishVolatile(events);
    },
    subscribe(options) {
      options.topics.forEach(refuseIn);
      return bus.subscribe(options);
    },
    tail(options) {
      refuseIn(options.topic);
      return bus.tail(options);
    },
  };
}

/** The queue as a service has it: it works and asks for what its definition says. Anything else is INTERNAL. */
export function declaredQueue(queue: TaskQueue, { name, tasks }: Declared): TaskQueue {
  const [worked, asked] = [new Set<TaskType>(tasks.works), new Set<TaskType>(tasks.asks)];
  return {
    failing: queue.failing,
    enqueue(tx, task) {
      if (!asked.has(task.task)) throw undeclared(name, "asks for the task", task.task.type);
      return queue.enqueue(tx, task);
    },
    isWaiting: (tx, task, lane) => queue.isWaiting(tx, task, lane),
    hasOpen: (tx, at) => queue.hasOpen(tx, at),
    waitingLanes: (tx, task, part) => queue.waitingLanes(tx, task, part),
    work(options) {
      for (const task of options.tasks) if (!worked.has(task)) throw undeclared(name, "works the task", task.type);
      return queue.work(options);
    },
    backlog: () => queue.backlog(),
    ping: () => queue.ping(),
    close: () => queue.close(),
  };
}

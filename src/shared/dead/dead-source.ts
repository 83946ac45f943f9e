import type { ParkedEvent, Parking } from "#shared/bus/parking.ts";
import type { Tx } from "#shared/db/db.ts";
import type { FailingTask, FailingTasks } from "#shared/queue/failing-tasks.ts";
import type { DeadAfter, DeadDetail, DeadItem, DeadState } from "./dead-item.ts";
import { type DeadAlert, eventAlert, taskAlert } from "./tell-dead.ts";

/** Something dead with its content. */
export type DeadFound = DeadItem & Omit<DeadDetail, "actions" | "state">;

/** A kind of what can be dead, for one service. Ids are unique among all kinds. */
export interface DeadSource {
  list(state: DeadState, after: DeadAfter | null, limit: number): Promise<DeadItem[]>;
  find(id: string): Promise<DeadFound | null>;
  /** Null: it is not dead (any more). The row is locked until the transaction ends. */
  redrive(tx: Tx, id: string): Promise<DeadItem | null>;
  discard(tx: Tx, id: string): Promise<DeadItem | null>;
  /** Whether something of its lane is dead, as the transaction sees it. */
  hasDead(tx: Tx, item: DeadItem): Promise<boolean>;
  /** Where the alert of its lane stands. */
  alertOf(item: DeadItem): DeadAlert;
}

function eventItem({ id, state, topic, key, seq, tries, error, parkedAtMs }: ParkedEvent): DeadItem {
  return { id, kind: "event", state, channel: topic, lane: key, seq, tries, error, sinceMs: parkedAtMs };
}

/** The events that a group could not handle. `parking` is asked for when it is needed. */
export function deadEvents(
  parking: () => Pick<Parking, "list" | "find" | "redrive" | "discard" | "hasDead">,
  group: string,
): DeadSource {
  return {
    async list(state, after, limit) {
      return (await parking().list({ group, state }, after, limit)).map(eventItem);
    },
    async find(id) {
      const found = await parking().find(group, id);
      return found === null ? null : { ...eventItem(found.event), content: found.event.raw, waiting: found.waiting };
    },
    async redrive(tx, id) {
      const event = await parking().redrive(tx, group, id);
      return event === null ? null : eventItem(event);
    },
    async discard(tx, id) {
      const event = await parking().discard(tx, group, id);
      return event === null ? null : eventItem(event);
    },
    hasDead: (tx, { channel, lane }) => parking().hasDead(tx, group, { topic: channel, key: lane }),
    alertOf: ({ channel, lane }) => eventAlert(group, channel, lane),
  };
}

function taskItem({ id, state, queue, lane, seq, failures, error, createdAtMs }: FailingTask): DeadItem {
  return { id, kind: "task", state, channel: queue, lane, seq, tries: failures, error, sinceMs: createdAtMs };
}

/** The tasks of a queue that failed. `failing` is asked for when it is needed. */
export function deadTasks(failing: () => FailingTasks, queue: string): DeadSource {
  return {
    async list(state, after, limit) {
      return (await failing().list({ queue, state }, after, limit)).map(taskItem);
    },
    async find(id) {
      const found = await failing().find(queue, id);
      if (found === null) return null;
      return { ...taskItem(found.task), content: JSON.stringify(found.task.payload), waiting: found.waiting };
    },
    async redrive(tx, id) {
      const task = await failing().redrive(tx, queue, id);
      return task === null ? null : taskItem(task);
    },
    async discard(tx, id) {
      const task = await failing().discard(tx, queue, id);
      return task === null ? null : taskItem(task);
    },
    hasDead: (tx, { channel, lane }) => failing().hasDead(tx, { queue: channel, lane }),
    alertOf: ({ channel, lane }) => taskAlert(channel, lane),
  };
}

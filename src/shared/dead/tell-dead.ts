import { PROCESS_ALERTS } from "#shared/alerts/alert-kinds.ts";
import { type Alert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { Bus } from "#shared/bus/bus.ts";
import type { DeadEvent } from "#shared/bus/unit-place.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Tx } from "#shared/db/db.ts";
import { ALERTS } from "#shared/messages/topics.ts";
import type { DeadTask } from "#shared/queue/queue.ts";
import { addressOf, decideAt } from "./dead-address.ts";

type TellDeps = { bus: Pick<Bus, "publish">; clock: Pick<Clock, "nowMs"> };

/** One alert a lane: what comes after the first dead one changes its text. */
export type DeadAlert = Pick<Alert, "scope" | "kind">;

/**
 * The scope of a dead event's alert. Events of the topic of alerts share one: else each alert could make another one.
 */
export function eventAlert(group: string, topic: string, key: string): DeadAlert {
  const lane = topic === ALERTS.name ? topic : `${topic}/${key}`;
  return { scope: `events:${group}/${lane}`, kind: PROCESS_ALERTS.EVENT_DEAD };
}

export function taskAlert(queue: string, lane: string): DeadAlert {
  return { scope: `tasks:${queue}/${lane}`, kind: PROCESS_ALERTS.TASK_DEAD };
}

/** What the bus calls in the transaction that an event dies in: raises its alert. */
export async function tellDeadEvent(tx: Tx, deps: TellDeps, dead: DeadEvent): Promise<void> {
  const { group, topic, partition, seq, key, error } = dead;
  const holds = topic.onDead === "block";
  const rest = holds ? "later ones of its key wait behind it" : "its key goes on without it";
  const id = await parkedId(tx, dead);
  const decide = id === null ? "" : ` ${decideAt(addressOf(group, id))}`;
  const text = `"${group}" cannot handle event ${seq} of "${topic.name}" for ${topic.key} ${key}, and ${rest}: ${ended(error)}${decide}`;
  const session = topic.key === "sessionId" ? { sessionId: key } : {};
  const data = { deadId: id, group, topic: topic.name, partition, seq, key, holds, error, ...session };
  await raiseAlert(tx, deps, { ...eventAlert(group, topic.name, key), text, data });
}

/** What the queue calls in the transaction that a task dies in: raises its alert. */
export async function tellDeadTask(tx: Tx, deps: TellDeps, dead: DeadTask): Promise<void> {
  const { id, queue, type, lane, seq, error, holds, sessionId } = dead;
  const rest = holds ? "later ones of its lane wait behind it" : "its lane goes on without it";
  const text = `The task "${type}" of ${lane} cannot be done, and ${rest}: ${ended(error)} ${decideAt(addressOf(queue, id))}`;
  const session = sessionId === null ? {} : { sessionId };
  const data = { taskId: id, queue, type, lane, seq, holds, error, ...session };
  await raiseAlert(tx, deps, { ...taskAlert(queue, lane), text, data });
}

/** The id under which a person finds the event, as the transaction sees it. */
async function parkedId(tx: Tx, { group, topic, partition, seq }: DeadEvent): Promise<string | null> {
  const [row] = await tx.sql<{ id: string }[]>`
    select id from bus.parked
    where group_name = ${group} and topic = ${topic.name} and part = ${partition} and seq = ${seq}`;
  return row?.id ?? null;
}

/** A sentence follows. */
function ended(error: string): string {
  return /[.!?]$/.test(error) ? error : `${error}.`;
}

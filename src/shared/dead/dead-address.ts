import { QUEUE_SERVICES } from "#shared/messages/tasks.ts";

const services: ReadonlyMap<string, string> = new Map(Object.entries(QUEUE_SERVICES));

/** The queues whose dead tasks a service has the REST of. */
export function queuesOf(service: string): string[] {
  return [...services].filter(([, worker]) => worker === service).map(([queue]) => queue);
}

/** Where a dead event is read. A group has the name of its service. */
export function eventAddress(group: string, id: string): string {
  return `/api/${group}/dead/${id}`;
}

/** Where a dead task is read. */
export function taskAddress(queue: string, id: string): string {
  return `/api/${services.get(queue) ?? "<service>"}/dead/${id}`;
}

/** What a person does there, in a sentence. */
export function decideAt(address: string): string {
  return `Read it under GET ${address}, and decide with POST ${address}/redrive or ${address}/discard, with a reason.`;
}

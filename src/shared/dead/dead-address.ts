/** Where a dead event or task is read. A group and a queue have the name of their service. */
export function addressOf(service: string, id: string): string {
  return `/api/${service}/dead/${id}`;
}

/** What a person does there, in a sentence. */
export function decideAt(address: string): string {
  return `Read it under GET ${address}, and decide with POST ${address}/redrive or ${address}/discard, with a reason.`;
}

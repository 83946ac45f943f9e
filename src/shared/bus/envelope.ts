import { AppError } from "#shared/errors/app-error.ts";
import type { BusEvent, OutgoingEvent, Topic } from "./bus.ts";
import type { StoredEntry } from "./log-store.ts";

/** What travels: the event without what its place in a stream says already. */
type Envelope = Omit<BusEvent, "topic" | "partition" | "seq">;

/** What the publisher adds to each of its events. */
export interface Origin {
  source: string;
  nowMs(): number;
}

function schemaOf(topic: Topic, type: string): Topic["schemas"][string] {
  const schema = topic.schemas[type];
  if (schema === undefined) {
    throw new AppError("UNDECODABLE", "permanent", `The topic "${topic.name}" has no event type "${type}".`, {
      details: { topic: topic.name, type },
    });
  }
  return schema;
}

function checked(topic: Topic, type: string, data: unknown): unknown {
  const result = schemaOf(topic, type).safeParse(data);
  if (result.success) return result.data;
  throw new AppError(
    "UNDECODABLE",
    "permanent",
    `An event of "${topic.name}" does not fit the contract of "${type}".`,
    {
      cause: result.error,
      details: { topic: topic.name, type, issues: result.error.issues.length },
    },
  );
}

/** The event as JSON text. What does not fit its topic's schema is refused: once in the log it would stop its readers. */
export function encode(event: OutgoingEvent, origin: Origin): string {
  const envelope: Envelope = {
    id: Bun.randomUUIDv7(),
    source: origin.source,
    type: event.type,
    key: event.key,
    timeMs: origin.nowMs(),
    version: event.topic.version,
    data: checked(event.topic, event.type, event.data),
  };
  if (event.correlationId !== undefined) envelope.correlationId = event.correlationId;
  if (event.causationId !== undefined) envelope.causationId = event.causationId;
  return JSON.stringify(envelope);
}

/** The event of an entry; UNDECODABLE when it is not what the topic's contract says. */
export function decode(topic: Topic, partition: number, entry: StoredEntry): BusEvent {
  let envelope: Envelope;
  try {
    envelope = JSON.parse(entry.json) as Envelope;
  } catch (error) {
    throw new AppError("UNDECODABLE", "permanent", `An entry of "${topic.name}" is no JSON.`, { cause: error });
  }
  const data = checked(topic, envelope.type, envelope.data);
  return { ...envelope, data, topic: topic.name, partition, seq: entry.seq };
}

import { hasCode } from "#shared/errors/app-error.ts";
import type { BusEvent, Topic } from "./bus.ts";
import { decode } from "./envelope.ts";
import type { LogStore, StoredEntry } from "./log-store.ts";

/** An entry of a batch: an event, or what cannot be read as one. */
export interface BatchItem {
  topic: Topic;
  seq: number;
  json: string;
  key: string;
  event: BusEvent | null;
  /** Why there is no event. */
  error: unknown;
}

/** The entries of a topic in a batch, in order. */
export interface TopicBatch {
  topic: Topic;
  entries: readonly StoredEntry[];
}

/**
 * Reads the entries of a batch. The broker is not trusted with what cannot be decoded: the log says what the event is, and
 * only what cannot be decoded there either has no event.
 */
export async function readBatch(
  logStore: Pick<LogStore, "read">,
  part: number,
  batches: readonly TopicBatch[],
): Promise<BatchItem[]> {
  const items: BatchItem[] = [];
  for (const { topic, entries } of batches) {
    for (const entry of entries) {
      items.push(itemOf(topic, part, entry) ?? (await readAgain(logStore, { topic, part, entry })));
    }
  }
  return items;
}

function itemOf(topic: Topic, part: number, entry: StoredEntry): BatchItem | null {
  try {
    const event = decode(topic, part, entry);
    return { topic, seq: entry.seq, json: entry.json, key: event.key, event, error: null };
  } catch (error) {
    if (hasCode(error, "UNDECODABLE")) return null;
    throw error;
  }
}

async function readAgain(
  logStore: Pick<LogStore, "read">,
  { topic, part, entry }: { topic: Topic; part: number; entry: StoredEntry },
): Promise<BatchItem> {
  const [kept] = await logStore.read({ topic: topic.name, part }, entry.seq - 1, 1);
  const { json, key } = kept?.seq === entry.seq ? kept : { ...entry, key: "" };
  try {
    const event = decode(topic, part, { seq: entry.seq, json });
    return { topic, seq: entry.seq, json, key: event.key, event, error: null };
  } catch (error) {
    return { topic, seq: entry.seq, json, key, event: null, error };
  }
}

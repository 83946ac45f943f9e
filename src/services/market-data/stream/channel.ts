import type { Update } from "./outbox.ts";
import type { Snapshot, StreamMessage } from "./protocol.ts";

/** Takes the updates of a channel. */
export type Listener = (update: Update) => void;

/** What somebody follows; all who follow the same share one. */
export interface Channel {
  readonly key: string;
  /** Resolves once it has its state. False: there is no such series. */
  readonly opened: Promise<boolean>;
  /** Those who are told each change of what `snapshot` gave them. */
  readonly listeners: Set<Listener>;
  /** How many follow it, or wait for it to open. */
  users: number;
  snapshot(): Snapshot;
}

/** Tells all listeners; the text is made once for them. */
export function tellAll(listeners: ReadonlySet<Listener>, message: StreamMessage, isLasting: boolean): void {
  if (listeners.size === 0) return;
  const update = { text: JSON.stringify(message), isLasting };
  for (const listener of listeners) listener(update);
}

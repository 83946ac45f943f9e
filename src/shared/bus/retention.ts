import { messageOf } from "#shared/errors/app-error.ts";
import type { BusContext } from "./subscription.ts";

/** How often streams are trimmed. */
const TRIM_MS = 30_000;

/**
 * Trims the broker's durable streams to the slowest group's position, in one process at a time, until the signal aborts.
 * A group that needs more than that reads the log.
 */
export async function trimStreams(context: BusContext, signal: AbortSignal): Promise<void> {
  const { leader, clock, logStore, broker, log } = context;
  await leader.lead("bus:trim", signal, async (leadership) => {
    const until = AbortSignal.any([signal, leadership.signal]);
    while (!until.aborted) {
      await clock.sleep(TRIM_MS, until);
      if (until.aborted) return;
      try {
        for (const [name, seq] of await logStore.slowest()) {
          const cut = name.lastIndexOf(":");
          await broker.trim({ topic: name.slice(0, cut), part: Number(name.slice(cut + 1)) }, seq);
        }
      } catch (error) {
        log.warn({ error: messageOf(error) }, "Streams could not be trimmed; they are later");
      }
    }
  });
}

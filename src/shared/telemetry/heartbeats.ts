import type { Bus } from "#shared/bus/bus.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { type Beat, event, HEARTBEATS } from "#shared/messages/topics.ts";
import type { Service } from "#shared/service/service.ts";
import type { Logger } from "./logger.ts";

/** What a process measures of itself. */
export type ProcessLoad = Pick<Beat, "memoryBytes" | "loopDelayMs" | "diskBytes" | "diskFreeBytes">;

/** Who a process is; the same in each of its beats. */
export type ProcessIdentity = Pick<Beat, "instance" | "host" | "pid" | "version" | "startedAtMs">;

export interface HeartbeatOptions {
  bus: Pick<Bus, "publishVolatile">;
  clock: Clock;
  log: Logger;
  /** Services of this process, and what each waits for; nothing: it takes work. */
  services: readonly (Pick<Service, "notReady" | "venueClocks"> & { name: string })[];
  identity: ProcessIdentity;
  /** Asked once a beat: what it gives is of the time since. */
  load(): Promise<ProcessLoad>;
  intervalMs?: number;
}

/** How often a process beats. */
export const BEAT_EVERY_MS = 2_000;
/** A reason is a phrase; what a server says may be more. */
const MOST_REASONS = 20;
const LONGEST_REASON = 300;

/**
 * Tells every two seconds, until the signal aborts, that the services of this process are alive, and at last that they leave.
 * A beat that fails is not repeated.
 */
export async function sendHeartbeats(options: HeartbeatOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await beat(options, false);
    await options.clock.sleep(options.intervalMs ?? BEAT_EVERY_MS, signal);
  }
  await beat(options, true);
}

async function beat(options: HeartbeatOptions, leaving: boolean): Promise<void> {
  const { bus, clock, log, services, identity } = options;
  try {
    const measured = await options.load();
    const atMs = clock.nowMs();
    const beats = services.map((service) => {
      const waitsFor = service
        .notReady()
        .slice(0, MOST_REASONS)
        .map((reason) => reason.slice(0, LONGEST_REASON));
      const ready = waitsFor.length === 0 && !leaving;
      return event(HEARTBEATS, service.name, "service.beat", {
        service: service.name,
        ...identity,
        ...measured,
        atMs,
        ready,
        waitsFor,
        leaving,
        venueClocks: [...(service.venueClocks?.() ?? [])],
      });
    });
    await bus.publishVolatile(beats);
  } catch (error) {
    log.debug({ err: error }, "heartbeat not sent");
  }
}

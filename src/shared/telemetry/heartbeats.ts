import type { Bus } from "#shared/bus/bus.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { event, HEARTBEATS } from "#shared/messages/topics.ts";
import type { Logger } from "./logger.ts";

export interface HeartbeatOptions {
  bus: Bus;
  clock: Clock;
  log: Logger;
  /** Services of this process, and whether each takes work. */
  services: readonly { name: string; ready(): boolean }[];
  instance: string;
  version: string;
  memoryBytes(): number;
  intervalMs?: number;
}

/** Tells every two seconds, until the signal aborts, that the services of this process are alive. A beat that fails is not repeated. */
export async function sendHeartbeats(options: HeartbeatOptions, signal: AbortSignal): Promise<void> {
  const { bus, clock, instance, version } = options;
  while (!signal.aborted) {
    const atMs = clock.nowMs();
    const memoryBytes = options.memoryBytes();
    const beats = options.services.map((service) => {
      const beat = { service: service.name, instance, version, atMs, ready: service.ready(), memoryBytes };
      return event(HEARTBEATS, service.name, "service.beat", beat);
    });
    await bus.publishVolatile(beats).catch((error: unknown) => options.log.debug({ err: error }, "heartbeat not sent"));
    await clock.sleep(options.intervalMs ?? 2_000, signal);
  }
}

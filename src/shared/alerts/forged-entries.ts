import type { Logger } from "pino";
import { Counter, type Registry } from "prom-client";
import type { Bus } from "#shared/bus/bus.ts";
import type { ForgedEntries } from "#shared/bus/sealed-broker.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db } from "#shared/db/db.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { PROCESS_ALERTS } from "./alert-kinds.ts";
import { raiseAlert } from "./raise-alert.ts";

/** Counts entries that nobody of the engine wrote, and raises their topic's alert, a process once. */
export function watchForgedEntries(options: {
  db: Db;
  /** Asked for when there is something to raise: the bus reads through what is watched. */
  bus: () => Bus;
  clock: Clock;
  log: Logger;
  registry: Registry;
}): (forged: ForgedEntries) => void {
  const { db, bus, clock, log, registry } = options;
  const counted = new Counter({
    name: "broker_forged_entries_total",
    help: "Entries found in the broker that no process of this engine wrote",
    labelNames: ["topic"],
    registers: [registry],
  });
  const told = new Set<string>();
  return ({ topic, part, count }) => {
    counted.inc({ topic }, count);
    if (told.has(topic)) return;
    told.add(topic);
    log.error({ topic, partition: part, count }, "entries in the broker are not this engine's; they are dropped");
    const text = `Entries of the topic ${topic} were found in the broker that no process of this engine wrote; they are dropped.`;
    const alert = {
      scope: `topic:${topic}`,
      kind: PROCESS_ALERTS.BROKER_FORGED,
      text,
      data: { partition: part, count },
    };
    db.transaction((tx) => raiseAlert(tx, { bus: bus(), clock }, alert)).catch((error: unknown) => {
      told.delete(topic);
      log.warn(
        { topic, error: messageOf(error) },
        "the alert of forged entries was not raised; the next ones raise it",
      );
    });
  };
}

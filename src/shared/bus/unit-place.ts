import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db, Tx } from "#shared/db/db.ts";
import { storableText } from "#shared/errors/storable-text.ts";
import type { BusEvent, OwnedUnit, SubscribeOptions, Topic } from "./bus.ts";
import type { LogStore, UnitEpoch } from "./log-store.ts";
import type { ParkedLanes } from "./parked-lanes.ts";
import type { UnitPositions } from "./unit-positions.ts";

/** An event that nobody tries again, and why. */
export interface DeadEvent {
  group: string;
  topic: Topic;
  partition: number;
  seq: number;
  key: string;
  error: string;
}

/** How failed events are treated. */
export interface PoisonOptions {
  /** An event that has failed so often is dead. */
  deadAfterTries: number;
  /** How long a handler may take, in milliseconds. */
  deadlineMs: number;
  /** Called in the transaction that an event dies in, last. */
  onDead?: ((tx: Tx, dead: DeadEvent) => Promise<void>) | undefined;
}

/** What the parts of a unit's work share. */
export interface UnitPlace {
  readonly db: Db;
  readonly logStore: LogStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly subscription: SubscribeOptions;
  readonly poison: PoisonOptions;
  readonly unit: OwnedUnit;
  readonly positions: UnitPositions;
  readonly lanes: ParkedLanes;
}

/** The unit as the log knows it. */
export function unitEpochOf({ unit: { group, partition, epoch } }: UnitPlace): UnitEpoch {
  return { group, part: partition, epoch };
}

/** Whether an event's handler does something with it. */
export function concerns({ subscription }: UnitPlace, event: BusEvent): boolean {
  return subscription.concerns?.(event) ?? true;
}

/** Says that an event was parked or is dead, in the log and to whoever wants to know of dead ones. */
export async function tellFailed(
  place: UnitPlace,
  tx: Tx,
  failed: { topic: Topic; seq: number; key: string; tries: number; isDead: boolean; error: unknown },
): Promise<void> {
  const { group, partition } = place.unit;
  const { topic, seq, key, tries, isDead, error } = failed;
  const fields = { group, topic: topic.name, partition, seq, key, tries, err: error };
  if (!isDead) {
    tx.afterCommit(() => place.log.warn(fields, "An event failed and is parked; its key waits behind it"));
    return;
  }
  const what = topic.onDead === "block" ? "its key waits for a person" : "its key goes on without it";
  tx.afterCommit(() => place.log.error(fields, `An event is dead; ${what}`));
  await place.poison.onDead?.(tx, { group, topic, partition, seq, key, error: storableText(error) });
}

/** Says that a handler did not end and that this could not be written: its unit is given up all the same, and its next owner meets the event again. */
export function tellNotNoted({ unit: { group, partition }, log }: UnitPlace, err: unknown): void {
  log.warn({ group, partition, err }, "A handler that does not end could not be noted");
}

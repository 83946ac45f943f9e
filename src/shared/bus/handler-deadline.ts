import type { Tx } from "#shared/db/db.ts";
import { transactWithin } from "#shared/db/transact-within.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { UnitPlace } from "./unit-place.ts";

/** The part of a place that deadlines need. */
type DeadlinePlace = Pick<UnitPlace, "unit" | "clock" | "poison">;

/** How long the database may take to say that it is there. */
const ANSWER_MS = 1_000;

/** Runs a handler in a transaction. Throws DEADLINE_PASSED when it takes longer than a handler may: the unit is then given up. */
export function withinDeadline<T>(place: UnitPlace, body: (tx: Tx) => Promise<T>): Promise<T> {
  const { db, clock, poison } = place;
  return transactWithin({ db, clock, deadlineMs: poison.deadlineMs, overdue: () => overdue(place) }, body);
}

/** Waits for what a subscriber does without a transaction, for as long as a handler may take: past it DEADLINE_PASSED likewise. */
export async function endsWithin(place: DeadlinePlace, running: Promise<void> | undefined): Promise<void> {
  const { clock, poison } = place;
  const late = Promise.withResolvers<never>();
  const callOff = clock.after(poison.deadlineMs, () => late.reject(overdue(place)));
  await Promise.race([running, late.promise]).finally(callOff);
}

function overdue({ unit, poison }: DeadlinePlace): AppError {
  const { group, partition, epoch } = unit;
  const message = `A handler of "${group}" has not ended within ${poison.deadlineMs} ms: its unit is given up.`;
  return new AppError("DEADLINE_PASSED", "transient", message, { details: { group, partition, epoch } });
}

/** Whether the database answers: of a handler that waited for one which does not, no event is to blame. */
export async function answers({ db, clock }: UnitPlace): Promise<boolean> {
  const over = new AbortController();
  const answer = db.ping().then(
    () => true,
    () => false,
  );
  const isThere = await Promise.race([answer, clock.sleep(ANSWER_MS, over.signal).then(() => false)]);
  over.abort();
  return isThere;
}

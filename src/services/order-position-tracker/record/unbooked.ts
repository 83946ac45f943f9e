import { alerts } from "#services/order-position-tracker/alerts.ts";
import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { UnreadableFill } from "#shared/exchange/exchange.ts";
import type { Deps } from "#shared/service/service.ts";
import { insertUnbooked } from "./unbooked-store.ts";

/** Whether trying again can not help: something is wrong with what was said, not with who was asked to keep it. */
export function failsByContent(error: unknown): boolean {
  return !(error instanceof AppError) || error.kind === "permanent";
}

/**
 * Keeps an execution that can not be booked, once, and tells of it; what comes after it does not wait. `silent`: nobody is told.
 * From this commit on the session whose order it is of sends nothing (`refuseByBook`).
 */
export async function keepUnbooked(
  tx: Tx,
  deps: Pick<Deps, "bus" | "clock">,
  of: { accountId: string; instrument: Instrument; row: UnreadableFill; silent: boolean; listed: boolean },
): Promise<void> {
  const { accountId, instrument, row, silent, listed } = of;
  const { tradeId, reason } = row;
  const kept = { accountId, instrumentId: instrument.id, row, listed, atMs: deps.clock.nowMs() };
  if (!(await insertUnbooked(tx, kept)) || silent) return;
  await raiseAlert(tx, deps, {
    scope: `account:${accountId}/${instrument.venueSymbol}`,
    kind: alerts.EXECUTION_NOT_BOOKED,
    text: `An execution of ${instrument.id} on the account ${accountId} could not be booked (${reason}). It is kept as the venue told it, under GET /unbooked; compare the position with the venue's.`,
    data: { accountId, instrumentId: instrument.id, tradeId },
  });
}

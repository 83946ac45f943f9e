import { raiseAlert } from "#shared/alerts/alerts.ts";
import type { Db, Tx } from "#shared/db/db.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { UnreadableFill } from "#shared/exchange/exchange.ts";
import type { Parts } from "./parts.ts";

/** An execution that the venue tells of and that could not be booked, as it was told. */
export interface Unbooked {
  accountId: string;
  instrumentId: string;
  tradeId: string;
  raw: string;
  reason: string;
  seenAtMs: number;
}

/** Whether trying again can not help: something is wrong with what was said, not with who was asked to keep it. */
export function failsByContent(error: unknown): boolean {
  return !(error instanceof AppError) || error.kind === "permanent";
}

/** Keeps an execution that can not be booked, once, and tells of it; what comes after it does not wait. `silent`: nobody is told. */
export async function keepUnbooked(
  tx: Tx,
  { deps }: Parts,
  of: { accountId: string; instrument: Instrument; row: UnreadableFill; silent: boolean },
): Promise<void> {
  const { accountId, instrument, row, silent } = of;
  const { tradeId, raw, reason } = row;
  const inserted = await tx.sql`
    insert into order_position_tracker.unbooked (account_id, instrument_id, trade_id, raw, reason, seen_at_ms)
    values (${accountId}, ${instrument.id}, ${tradeId}, ${raw}, ${reason}, ${deps.clock.nowMs()})
    on conflict do nothing returning 1`;
  if (inserted.length === 0 || silent) return;
  await raiseAlert(tx, deps, {
    scope: `account:${accountId}/${instrument.venueSymbol}`,
    code: "EXECUTION_NOT_BOOKED",
    text: `An execution of ${instrument.id} on the account ${accountId} could not be booked (${reason}). It is kept as the venue told it, under GET /unbooked; compare the position with the venue's.`,
    data: { accountId, instrumentId: instrument.id, tradeId },
  });
}

/** Those of an account, or all, newest first. */
export async function readUnbooked({ sql }: Db, accountId: string | undefined, limit: number): Promise<Unbooked[]> {
  return await sql<Unbooked[]>`
    select account_id as "accountId", instrument_id as "instrumentId", trade_id as "tradeId", raw, reason,
      seen_at_ms as "seenAtMs"
    from order_position_tracker.unbooked
    where ${accountId === undefined ? sql`true` : sql`account_id = ${accountId}`}
    order by seen_at_ms desc, trade_id limit ${limit}`;
}

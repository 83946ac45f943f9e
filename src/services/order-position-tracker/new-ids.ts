import { raiseAlert } from "#shared/alerts/alerts.ts";
import type { Sql } from "#shared/db/db.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { VenueFill } from "#shared/exchange/exchange.ts";
import type { Deps } from "#shared/service/service.ts";

export const CODE = "ACCOUNT_IDS_BEGAN_ANEW";

/** An answer to an order stamps its executions with its own time: by no more than this are they off. */
const SAME_WITHIN_MS = 10_000;

export function alertOf(accountId: string) {
  return { scope: `account:${accountId}`, code: CODE } as const;
}

/**
 * Whether the venue's ids have begun anew, as after a reset of a test network: a trade has the id of one that is booked and
 * is another one, or its id lies before what was read of the list although it happened after it. Ids grow with time.
 */
export async function idsBeganAnew(
  { sql }: { sql: Sql },
  of: { accountId: string; instrument: Instrument; fills: readonly VenueFill[] },
): Promise<boolean> {
  const { accountId, instrument, fills } = of;
  if (fills.length === 0) return false;
  const rows = await sql`
    select 1
    from unnest(${fills.map(({ tradeId }) => tradeId)}::text[], ${fills.map(({ price }) => price)}::numeric[],
      ${fills.map(({ size }) => size)}::numeric[], ${fills.map(({ atMs }) => atMs)}::bigint[])
      as said (trade_id, price, size, at_ms)
    left join order_position_tracker.fills f
      on f.account_id = ${accountId} and f.instrument_id = ${instrument.id} and f.trade_id = said.trade_id
    left join order_position_tracker.fill_cursors c
      on c.account_id = ${accountId} and c.instrument_id = ${instrument.id}
    where (f.trade_id is not null and ((f.price, f.size) is distinct from (said.price, said.size) or abs(f.at_ms - said.at_ms) > ${SAME_WITHIN_MS}))
      or (f.trade_id is null and said.at_ms > c.at_ms + ${SAME_WITHIN_MS} and said.trade_id ~ '^[0-9]+$' and c.trade_id ~ '^[0-9]+$'
        and said.trade_id::numeric < c.trade_id::numeric)
    limit 1`;
  return rows.length > 0;
}

/** Nothing is sent for the account any more but cancels, until a person begins a new era of its ids. */
export async function haltForNewIds(
  deps: Pick<Deps, "db" | "bus" | "clock" | "log">,
  accountId: string,
  instrumentId: string,
): Promise<void> {
  const reason = `${CODE}: the venue's ids of ${instrumentId} have begun anew, so that its executions can not be told from those of before.`;
  await deps.db.transaction(async (tx) => {
    const changed = await tx.sql`
      update reference.accounts set trading_state = 'HALTED', state_reason = ${reason}, updated_at_ms = ${deps.clock.nowMs()}
      where id = ${accountId} and state_reason is null returning 1`;
    if (changed.length === 0) return;
    await raiseAlert(tx, deps, {
      ...alertOf(accountId),
      text: `The account ${accountId} is HALTED. ${reason} Where its test network was reset, POST /api/order-position-tracker/accounts/${accountId}/new-era takes what was before as closed and lets it trade again.`,
      data: { accountId, instrumentId },
    });
    tx.afterCommit(() => deps.log.error({ accountId, instrumentId }, "account halted: trade ids have begun anew"));
  });
}

import type { Recorded } from "#services/order-position-tracker/money/record-venue.ts";
import type { Parts } from "#services/order-position-tracker/parts.ts";
import { raiseAlert } from "#shared/alerts/alerts.ts";
import type { Db, Tx } from "#shared/db/db.ts";

/** Of these ids of orders at the venue those of which it is known that they are someone else's. */
export async function foreignOrderIds(
  { sql }: Db,
  of: { accountId: string; venueSymbol: string; venueOrderIds: readonly string[] },
): Promise<Set<string>> {
  const rows = await sql<{ id: string }[]>`
    select distinct data ->> 'venueOrderId' as id from order_position_tracker.foreign_activity
    where account_id = ${of.accountId} and instrument_id = ${of.venueSymbol} and venue_id not like 'era%'
      and data ->> 'venueOrderId' = any(${[...of.venueOrderIds]})`;
  return new Set(rows.map(({ id }) => id));
}

/**
 * Remembers orders and fills at the venue that nobody here made, with one alert an instrument, which tells of the newest.
 * `silent`: they were there before the account was followed, so they are only remembered.
 */
export async function reportForeign(
  tx: Tx,
  { deps }: Parts,
  of: { accountId: string; foreign: Recorded["foreign"]; silent: boolean },
): Promise<void> {
  const { accountId, foreign, silent } = of;
  const all = [
    ...foreign.orders.map((one) => ({ kind: "order" as const, id: one.venueOrderId, data: { ...one } })),
    ...foreign.fills.map((one) => ({ kind: "fill" as const, id: one.tradeId, data: { ...one } })),
  ];
  const atMs = deps.clock.nowMs();
  for (const { kind, id, data } of all) {
    const { clientOrderId: ours, ...rest } = data;
    const row = ours === undefined ? rest : { ...rest, clientOrderId: ours };
    const inserted = await tx.sql`
      insert into order_position_tracker.foreign_activity (account_id, instrument_id, kind, venue_id, data, seen_at_ms)
      values (${accountId}, ${data.venueSymbol}, ${kind}, ${id}, ${tx.sql.json(row)}, ${atMs})
      on conflict do nothing returning 1`;
    if (inserted.length === 0 || silent) continue;
    await raiseAlert(tx, deps, {
      scope: `account:${accountId}/${data.venueSymbol}`,
      code: kind === "order" ? "FOREIGN_ORDER" : "FOREIGN_FILL",
      text: `The account ${accountId} has ${kind === "order" ? "orders" : "executions"} of ${data.venueSymbol} that were not made here, the newest ${id}.`,
      data: { accountId, venueId: id, venueSymbol: data.venueSymbol },
    });
  }
}

import type { Sql, Tx } from "#shared/db/db.ts";
import type { VenueOrder } from "#shared/exchange/exchange.ts";

/** Of these ids of orders at the venue those of which it is known that they are someone else's. */
export async function foreignOrderIds(
  { sql }: { sql: Sql },
  of: { accountId: string; venueSymbol: string; venueOrderIds: readonly string[] },
): Promise<Set<string>> {
  const rows = await sql<{ id: string }[]>`
    select distinct data ->> 'venueOrderId' as id from order_position_tracker.foreign_activity
    where account_id = ${of.accountId} and instrument_id = ${of.venueSymbol} and venue_id not like 'era%'
      and data ->> 'venueOrderId' = any(${[...of.venueOrderIds]})`;
  return new Set(rows.map(({ id }) => id));
}

/** Those of these orders of an account that were not seen before. */
export async function unseenOrders(
  { sql }: { sql: Sql },
  accountId: string,
  orders: readonly VenueOrder[],
): Promise<VenueOrder[]> {
  const seen = await sql<{ venue_id: string }[]>`
    select venue_id from order_position_tracker.foreign_activity
    where account_id = ${accountId} and kind = 'order' and venue_id = any(${orders.map((one) => one.venueOrderId)})`;
  return orders.filter((order) => !seen.some((row) => row.venue_id === order.venueOrderId));
}

/** Remembers an order or an execution that nobody here made. False: it was seen before. */
export async function insertForeign(
  { sql }: Tx,
  of: {
    accountId: string;
    venueSymbol: string;
    kind: "order" | "fill";
    id: string;
    /** As the venue told it. */
    data: Parameters<Sql["json"]>[0];
    atMs: number;
  },
): Promise<boolean> {
  const inserted = await sql`
    insert into order_position_tracker.foreign_activity (account_id, instrument_id, kind, venue_id, data, seen_at_ms)
    values (${of.accountId}, ${of.venueSymbol}, ${of.kind}, ${of.id}, ${sql.json(of.data)}, ${of.atMs})
    on conflict do nothing returning 1`;
  return inserted.length > 0;
}

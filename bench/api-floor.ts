/**
 * The limit of `bench api`, a program of its own: a bare handler that asks the same queries of the same database and answers
 * JSON.stringify of what it gets. Nothing is read of the request but its path, and nothing is checked.
 *
 * Arguments: the database's URL, the port.
 */
import { createPool } from "#shared/db/postgres.ts";
import { writeCursor } from "#shared/http/paging.ts";
import { INSTRUMENT } from "./api-rows.ts";

const [databaseUrl = "", port = "0"] = process.argv.slice(2);
const sql = createPool(databaseUrl);

async function orders(): Promise<string> {
  const rows = await sql<{ data: unknown; id: string; created_at_ms: number }[]>`
    select data, id, created_at_ms from order_position_tracker.orders
    where (created_at_ms, id) > (-1, '') order by created_at_ms, id limit 101`;
  const items = rows.slice(0, 100);
  const last = items.at(-1);
  const nextCursor = last === undefined ? null : writeCursor([last.created_at_ms, last.id]);
  return JSON.stringify({ items: items.map(({ data }) => data), nextCursor });
}

async function candles(): Promise<string> {
  const items = await sql`
    select instrument_id as "instrumentId", time_frame as "timeFrame", series.source, n, true as closed,
      open_at_ms as "openAtMs", close_at_ms as "closeAtMs", open, high, low, close, volume, received_at_ms as "receivedAtMs"
    from market_data.candles candle join market_data.series series using (instrument_id, time_frame)
    where instrument_id = ${INSTRUMENT} and time_frame = '1m' and n >= 1 order by n limit 1000`;
  return JSON.stringify({ items, nextCursor: null });
}

const json = (text: string): Response => new Response(text, { headers: { "content-type": "application/json" } });

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  routes: {
    "/orders": async () => json(await orders()),
    "/candles": async () => json(await candles()),
    "/livez": () => json('{"alive":true}'),
  },
});

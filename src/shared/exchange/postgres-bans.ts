import type { Db, Sql } from "#shared/db/db.ts";
import type { BanStore } from "./bans.ts";

/**
 * The last end of the bans of these addresses as any process was told of it; null: there is none. For who writes the intent of a request:
 * it travels with that transaction's other questions.
 */
export async function readBanEnd(
  { sql }: { sql: Sql },
  addresses: readonly string[],
  nowMs: number,
): Promise<number | null> {
  const rows = await sql<{ until_ms: number | null }[]>`
    select max(until_ms) as until_ms from venues.bans where address = any(${[...addresses]}) and until_ms > ${nowMs}`;
  return rows[0]?.until_ms ?? null;
}

/** Bans in the database that all processes share. */
export function createPostgresBanStore({ sql }: Db): BanStore {
  return {
    async read(nowMs) {
      const rows = await sql<{ address: string; until_ms: number }[]>`
        select address, until_ms from venues.bans where until_ms > ${nowMs}`;
      return rows.map((row) => ({ address: row.address, untilMs: row.until_ms }));
    },
    async write(address, untilMs) {
      await sql`
        insert into venues.bans as b (address, until_ms) values (${address}, ${untilMs})
        on conflict (address) do update set until_ms = greatest(b.until_ms, excluded.until_ms)`;
    },
  };
}

import type { Db } from "#shared/db/db.ts";
import type { BanStore } from "./bans.ts";

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

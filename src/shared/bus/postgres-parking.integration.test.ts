import { afterAll, beforeAll, expect, test } from "bun:test";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import type { NewParked } from "./parking.ts";
import { createPostgresParking } from "./postgres-parking.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const WAITING = 2_000;
/** Of one lane the first, of another one all but the last. */
const isDead = (key: string, seq: number) => (key === "dead" && seq === 1) || (key === "skips" && seq < WAITING);

test("the heads of lanes are found without reading what waits in them, or what is dead and holds nothing", async () => {
  const { db } = database;
  const parking = createPostgresParking(db);
  const entryOf = (key: string, seq: number): NewParked => {
    const state = isDead(key, seq) ? "dead" : "parked";
    return {
      topic: key === "skips" ? "skipping" : "blocking",
      key,
      seq,
      json: "{}",
      state,
      tries: 1,
      error: null,
      delayMs: 0,
    };
  };
  const lanes = ["dead", "skips", "tried"];
  for (const [part, key] of lanes.entries()) {
    const entries = Array.from({ length: WAITING }, (_, n) => entryOf(key, n + 1));
    await db.transaction((tx) => parking.park(tx, { group: "group", part, epoch: 1 }, entries));
  }
  await db.transaction((tx) => parking.park(tx, { group: "other", part: 0, epoch: 1 }, [entryOf("dead", 1)]));
  await db.sql`analyze bus.parked`;
  const of = { group: "group", topics: ["skipping", "blocking"], blocking: ["blocking"] };
  const [heads, read] = await db.transaction(async (tx) => {
    const found = await parking.heads(of, tx);
    const [row] = await tx.sql<{ read: number }[]>`
      select sum(pg_stat_get_xact_tuples_returned(c.oid))::integer as read from pg_class c
      where c.oid = 'bus.parked'::regclass or c.oid in (
        select indexrelid from pg_index where indrelid = 'bus.parked'::regclass)`;
    return [found, row?.read ?? Number.NaN] as const;
  });
  expect(heads.toSorted((a, b) => a.part - b.part)).toEqual([
    { topic: "blocking", key: "dead", part: 0, state: "dead", inMs: 0 },
    { topic: "skipping", key: "skips", part: 1, state: "parked", inMs: 0 },
    { topic: "blocking", key: "tried", part: 2, state: "parked", inMs: 0 },
  ]);
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(50);
  expect(await parking.heads({ ...of, part: 2 })).toHaveLength(1);
  expect(await parking.heads({ ...of, topics: ["skipping"] })).toHaveLength(1);
});

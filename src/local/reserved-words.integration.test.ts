import { expect, test } from "bun:test";
import { createTestDatabase } from "#shared/db/test-database.ts";
import { SQL_WORDS } from "./reserved-words.ts";

test("the words of SQL are those that Postgres does not take as the name of a schema", async () => {
  const database = await createTestDatabase();
  const rows = await database.db.sql<{ word: string }[]>`
    select word from pg_get_keywords() where catcode in ('R', 'T')`;
  await database.drop();
  expect([...SQL_WORDS].toSorted()).toEqual(rows.map(({ word }) => word).toSorted());
});

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "#shared/errors/app-error.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { createTestDatabase, type TestDatabase } from "./test-database.ts";

let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = await createTestDatabase();
  // The clone has the engine's own migrations: these tests bring theirs.
  await database.db.sql`drop schema r3_migrations cascade`;
  folder = await mkdtemp(join(tmpdir(), "r3-migrations-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await database.drop();
});

async function put(name: string, sql: string): Promise<void> {
  await Bun.write(join(folder, name), sql);
}

async function failureOf(run: Promise<unknown>): Promise<string> {
  return run.then(() => "none", messageOf);
}

describe("migrate", () => {
  test("applies each file once, in order, though several processes start at once", async () => {
    await put("0002_second.sql", "insert into ours.steps values (2);");
    await put(
      "0001_first.sql",
      "create schema ours; create table ours.steps (n integer); insert into ours.steps values (1);",
    );
    const applied = await Promise.all([1, 2, 3].map(() => migrate(database.url, folder)));
    expect(applied.flat()).toEqual(["0001_first.sql", "0002_second.sql"]);
    const rows = await database.db.sql<{ n: number }[]>`select n from ours.steps`;
    expect(rows.map(({ n }) => n)).toEqual([1, 2]);
  });

  test("rolls a failing file back whole and names it", async () => {
    await put("0003_third.sql", "insert into ours.steps values (3); insert into ours.missing values (1);");
    expect(await failureOf(migrate(database.url, folder))).toContain("0003_third.sql failed");
    const [row] = await database.db.sql`select count(*)::integer as steps from ours.steps`;
    expect(row?.["steps"]).toBe(2);
    await put("0003_third.sql", "insert into ours.steps values (3);");
    expect(await migrate(database.url, folder)).toEqual(["0003_third.sql"]);
  });

  test("refuses a file that was changed after it was applied, and one that is gone", async () => {
    await put("0002_second.sql", "insert into ours.steps values (22);");
    expect(await failureOf(migrate(database.url, folder))).toContain("0002_second.sql was changed");
    await rm(join(folder, "0002_second.sql"));
    expect(await failureOf(migrate(database.url, folder))).toContain("does not know");
  });

  test("refuses two files of one number", async () => {
    await put("0003_other.sql", "select 1;");
    expect(await failureOf(readMigrations(folder))).toContain("Two migrations");
  });

  test("an unreachable server is an outage", async () => {
    const failure = await migrate("postgres://nobody@127.0.0.1:1/none").catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "DATABASE_UNAVAILABLE", kind: "outage" });
  });
});

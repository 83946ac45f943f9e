import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
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

const SHARED = "shared/db/migrations";

async function put(name: string, sql: string, place = SHARED): Promise<void> {
  await Bun.write(join(folder, place, name), sql);
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
    await rm(join(folder, SHARED, "0002_second.sql"));
    expect(await failureOf(migrate(database.url, folder))).toContain("does not know");
  });

  test("applies a service's own behind all shared ones, with numbers of their own", async () => {
    const tree = await mkdtemp(join(tmpdir(), "r3-migrations-"));
    const files = [
      "services/zeta/0001_one",
      "services/alpha/0002_two",
      "services/alpha/0001_one",
      "shared/db/0009_late",
    ];
    for (const file of files) {
      const [owner, name] = [dirname(file), basename(file)];
      await Bun.write(join(tree, owner, "migrations", `${name}.sql`), "select 1;");
    }
    const inOrder = ["0009_late.sql", "alpha/0001_one.sql", "alpha/0002_two.sql", "zeta/0001_one.sql"];
    expect((await readMigrations(tree)).map(({ name }) => name)).toEqual(inOrder);
    await rm(tree, { recursive: true });
  });

  test("refuses two files of one owner and number", async () => {
    await put("0003_other.sql", "select 1;");
    expect(await failureOf(readMigrations(folder))).toContain("Two migrations");
  });

  test("an unreachable server is an outage", async () => {
    const failure = await migrate("postgres://nobody@127.0.0.1:1/none").catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "DATABASE_UNAVAILABLE", kind: "outage" });
  });
});

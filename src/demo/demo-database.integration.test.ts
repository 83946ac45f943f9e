import { afterAll, beforeAll, expect, test } from "bun:test";
import { putSession } from "#shared/db/reference-rows.fixture.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import { createWorld, putReferences, SESSION, type World } from "#testing/alone-world.fixture.ts";
import { refuseOtherRuns } from "./demo-database.ts";
import type { DemoRun } from "./demo-run.ts";

let world: World;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.close());

test("a database that is someone else's is refused where it holds another run's sessions, or any for a new run", async () => {
  const databaseUrl = world.settings["DATABASE_URL"] ?? "";
  const refused = async (run: { id: string } | null) =>
    await refuseOtherRuns({ databaseUrl, ownPostgres: false }, run as DemoRun | null).catch(String);
  expect(await refused(null)).toBeUndefined();
  await putReferences(world);
  expect(await refused(null)).toContain("holds sessions of another demo or of yours");
  expect(await refused({ id: "another" })).toContain("holds sessions of another demo or of yours");
  expect(await refused({ id: SESSION.accountId })).toBeUndefined();
  await putSession(world.db.sql, sessionOf({ accountId: "me" }));
  expect(await refused({ id: SESSION.accountId })).toBeUndefined();
});

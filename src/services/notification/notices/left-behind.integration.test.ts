import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { World } from "#services/notification/notification.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.close());

const sql = () => world.database.db.sql;
const HOUR_MS = 3_600_000;

test("a recipient with very many messages is deleted, and these go by and by", async () => {
  const { id } = await world.recipient("desk");
  await sql()`
    insert into notification.messages (id, recipient_id, seq, content, state, created_at_ms, ended_at_ms)
    select gen_random_uuid(), ${id}, n, '{}', 'sent', 1, ${Date.now()} from generate_series(1, 10005) as n`;
  expect((await world.ask("DELETE", `/recipients/${id}`, { ifMatch: "*" })).status).toBe(204);
  const left = async () => (await sql()`select 1 from notification.messages`).length;
  expect(await left()).toBe(5);
  // Another one leads, and begins with a look at what is left.
  await world.instances.shift()?.close();
  await world.addInstance();
  await until(async () => (await left()) === 0);
  await until(async () => (await sql()`select 1 from notification.deleted_recipients`).length === 0);
});

describe("a daily summary", () => {
  test("has a fill that was stamped before the last one and committed behind it", async () => {
    const { id } = await world.recipient("desk", { events: [], dailySummaryAt: "00:00" });
    const makeDue = () => sql()`update notification.recipients set summary_at_ms = 1 where id = ${id}`;
    world.aheadMs = HOUR_MS;
    await makeDue();
    await until(() => world.desk.at("/desk").length === 1);
    await sql()`
      insert into notification.fills values ('a', ${Date.now() + world.aheadMs - 15_000}, 'BUY', 1, 0, 'USD')`;
    world.aheadMs += HOUR_MS;
    await makeDue();
    await until(() => world.desk.at("/desk").length === 2);
    expect(world.desk.at("/desk").map(({ title }) => title)).toEqual([
      "The day: 0 fills, no open alerts",
      "The day: 1 fills, no open alerts",
    ]);
  });
});

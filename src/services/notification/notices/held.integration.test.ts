import { afterEach, describe, expect, test } from "bun:test";
import { World } from "#services/notification/notification.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";

let world: World;
afterEach(() => world.close());

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** Sets the clock to the beginning of a minute, so that none begins while a test runs. */
function atAMinute(): void {
  world.aheadMs = MINUTE_MS - (Date.now() % MINUTE_MS) + DAY_MS;
}

async function raiseMany(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await world.raise("TEST_WARNING", `topic:${n}`);
}

describe("an alert that is critical, in a burst of others", () => {
  test("comes at once where the throttle holds back the rest", async () => {
    world = await World.create();
    atAMinute();
    const { id } = await world.recipient("desk", { throttlePerMinute: 1 });
    await raiseMany(53);
    await until(async () => (await world.read(id)).held === 52);
    await world.raise("TEST_CRITICAL", "topic:last");
    await until(() => world.desk.at("/desk").length === 2);
    expect(world.desk.at("/desk")[1]).toMatchObject({
      severity: "critical",
      title: "critical: TEST_CRITICAL (topic:last)",
    });
    expect((await world.read(id)).held).toBe(52);
  });

  test("is told first, and by its name, where the lane was full", async () => {
    world = await World.create({ R3_NOTIFICATION_LANE_LIMIT: "1" });
    atAMinute();
    let status = 503;
    world.desk.answer = () => new Response("", { status });
    const { id } = await world.recipient("desk");
    await raiseMany(53);
    await until(async () => (await world.read(id)).held === 52);
    for (const scope of ["topic:x", "topic:y"]) await world.raise("TEST_CRITICAL", scope);
    await until(async () => (await world.read(id)).held === 54);
    const { sql } = world.database.db;
    expect(await sql`select 1 from notification.held`).toHaveLength(50);
    status = 200;
    await until(async () => (await world.read(id)).waiting === 0);
    world.aheadMs += MINUTE_MS;
    const digest = await until(() => world.desk.at("/desk").find(({ kind }) => kind === "digest"));
    expect(digest).toMatchObject({ severity: "critical", data: { count: 54, critical: 2 } });
    const [first = "", second = "", third] = digest.text.split("\n");
    // Two scopes may have two owners: either may be the first.
    expect([first, second].toSorted()).toEqual([
      "- critical: TEST_CRITICAL (topic:x)",
      "- critical: TEST_CRITICAL (topic:y)",
    ]);
    expect(third).toContain("warning: TEST_WARNING");
    expect(digest.text).toMatch(/\nand \d+ more$/);
    expect(await sql`select 1 from notification.recipients where held_critical <> 0`).toHaveLength(0);
  });
});

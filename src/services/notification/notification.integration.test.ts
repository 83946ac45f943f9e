import { afterEach, describe, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { putSession } from "#shared/db/reference-rows.fixture.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import { event, SESSIONS } from "#shared/messages/topics.ts";
import { filled } from "./notices/filled.fixture.ts";
import { World } from "./notification.fixture.ts";

let world: World;
afterEach(() => world.close());

const scopes = Array.from({ length: 30 }, (_, index) => `topic:${index}`);
const titles = (name: string) => world.desk.at(`/${name}`).map(({ title }) => title);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

describe("what is told", () => {
  test("each alert reaches each recipient that wants it, once, in the order of its number, from two instances too", async () => {
    world = await World.create();
    await world.addInstance();
    const all = await world.recipient("all");
    await world.recipient("critical", { minSeverity: "critical" });
    await world.recipient("none", { events: ["fills"] });
    for (const scope of scopes) await world.raise("TEST_WARNING", scope);
    await world.raise("TEST_CRITICAL", "topic:last");
    await until(() => world.desk.at("/all").length === 31 && world.desk.at("/critical").length === 1);
    const told = world.desk.at("/all");
    expect(told.map(({ seq }) => seq)).toEqual(Array.from({ length: 31 }, (_, index) => index + 1));
    expect(new Set(told.map(({ id }) => id)).size).toBe(31);
    expect(told.map(({ title }) => title).toSorted()).toEqual(
      [...scopes.map((scope) => `warning: TEST_WARNING (${scope})`), "critical: TEST_CRITICAL (topic:last)"].toSorted(),
    );
    expect(world.desk.at("/none")).toEqual([]);
    await until(async () => (await world.read(all.id)).waiting === 0);
    expect(await world.read(all.id)).toMatchObject({ sent: 31, dead: 0, held: 0, lastError: null });
  });

  test("not an alert that a person has silenced, nor its end; it is told again once the silence is over", async () => {
    world = await World.create();
    await world.recipient("desk");
    const { sql } = world.database.db;
    await sql`
      insert into monitoring.silences (scope, code, until_ms, by_whom, reason, at_ms)
      values ('topic:a', 'TEST_WARNING', ${Date.now() + HOUR_MS}, 'local', 'So.', 1), ('topic:b', 'TEST_CRITICAL', 1, 'local', 'So.', 1)`;
    await world.raise("TEST_WARNING", "topic:a");
    await world.clear("TEST_WARNING", "topic:a");
    for (const scope of ["topic:a", "topic:b"]) await world.raise("TEST_CRITICAL", scope);
    await until(() => world.desk.at("/desk").length === 2);
    world.aheadMs = HOUR_MS;
    await world.raise("TEST_WARNING", "topic:a");
    await until(() => world.desk.at("/desk").length === 3);
    expect(titles("desk").toSorted()).toEqual([
      "critical: TEST_CRITICAL (topic:a)",
      "critical: TEST_CRITICAL (topic:b)",
      "warning: TEST_WARNING (topic:a)",
    ]);
  });

  test("an alert, its end, a session's states and its fills, in the order of one session; nothing of other sessions", async () => {
    world = await World.create();
    const session = await putSession(world.database.db.sql, sessionOf({ name: "Mine" }));
    const other = sessionOf({ name: "Other" });
    await world.recipient("desk", { sessionIds: [session.id] });
    await world.publish(event(SESSIONS, other.id, "session.changed", { from: "STARTING", session: other }));
    await world.publish(event(SESSIONS, session.id, "session.changed", { from: "STARTING", session }), filled(session));
    await world.publish(event(SESSIONS, session.id, "session.changed", { from: "RUNNING", session }));
    await until(() => world.desk.at("/desk").length === 2);
    expect(titles("desk").toSorted()).toEqual(["BUY 1 SPX/USD.paper at 100.5 (Mine)", "Mine: STARTING → RUNNING"]);
    await world.raise("TEST_WARNING", `session:${session.id}`);
    await world.clear("TEST_WARNING", `session:${session.id}`);
    await until(() => world.desk.at("/desk").length === 4);
    expect(titles("desk").slice(2)).toEqual([
      `warning: TEST_WARNING (session:${session.id})`,
      `Over: TEST_WARNING (session:${session.id})`,
    ]);
  });
});

describe("what waits for its time", () => {
  test("quiet hours: what is critical comes at once, the rest as one message at their end", async () => {
    world = await World.create();
    // All day but for its first minute: it is quiet now, and a day ahead it has been over.
    const { id } = await world.recipient("desk", { quietHours: { from: "00:01", to: "00:00" } });
    const midnightMs = new Date().setUTCHours(0, 0, 0, 0);
    world.aheadMs = midnightMs + DAY_MS + 12 * HOUR_MS - Date.now();
    for (const scope of ["topic:a", "topic:b"]) await world.raise("TEST_WARNING", scope);
    await until(async () => (await world.read(id)).held === 2);
    await world.raise("TEST_CRITICAL", "topic:c");
    await until(() => world.desk.at("/desk").length === 1);
    expect(titles("desk")).toEqual(["critical: TEST_CRITICAL (topic:c)"]);
    world.aheadMs += 12 * HOUR_MS + 1_000;
    await until(() => world.desk.at("/desk").length === 2);
    const { kind, text } = world.desk.at("/desk")[1] ?? {};
    expect(kind).toBe("digest");
    expect(text?.split("\n").toSorted()).toEqual([
      "- warning: TEST_WARNING (topic:a)",
      "- warning: TEST_WARNING (topic:b)",
    ]);
    expect((await world.read(id)).held).toBe(0);
  });

  test.each([
    ["quiet hours", { quietHours: { from: "00:01", to: "00:00" } }, { quietHours: null }],
    ["a digest", { digestMinutes: 1_440 }, { digestMinutes: null }],
  ])("%s that a person takes away: what is held is told, and nothing more is held", async (_what, more, change) => {
    world = await World.create();
    world.aheadMs = new Date().setUTCHours(0, 0, 0, 0) + DAY_MS + 12 * HOUR_MS - Date.now();
    const { id } = await world.recipient("desk", more);
    for (const scope of ["topic:a", "topic:b"]) await world.raise("TEST_WARNING", scope);
    await until(async () => (await world.read(id)).held === 2);
    await world.change(id, change);
    await until(() => world.desk.at("/desk").length === 1);
    expect(world.desk.at("/desk")[0]).toMatchObject({ kind: "digest", data: { count: 2 } });
    expect((await world.read(id)).held).toBe(0);
    await world.raise("TEST_WARNING", "topic:c");
    await until(() => world.desk.at("/desk").length === 2);
    expect(titles("desk")[1]).toBe("warning: TEST_WARNING (topic:c)");
  });

  test("a throttle lets two a minute through, and tells the rest in one message behind it", async () => {
    world = await World.create();
    // At the beginning of a minute, so that none begins while this runs.
    world.aheadMs = 60_000 - (Date.now() % 60_000) + DAY_MS;
    const { id } = await world.recipient("desk", { throttlePerMinute: 2 });
    for (const scope of scopes.slice(0, 7)) await world.raise("TEST_WARNING", scope);
    await until(async () => (await world.read(id)).held === 5);
    await until(() => world.desk.at("/desk").length === 2);
    world.aheadMs += 60_000;
    await until(() => world.desk.at("/desk").length === 3);
    expect(world.desk.at("/desk")[2]).toMatchObject({ kind: "digest", seq: 3, data: { count: 5 } });
  });

  test("a daily summary counts the fills since the last one, and comes once a day", async () => {
    world = await World.create();
    const session = await putSession(world.database.db.sql, sessionOf({ name: "Mine" }));
    const inTwoHours = new Date(Date.now() + 2 * HOUR_MS).toISOString().slice(11, 16);
    const { id } = await world.recipient("desk", { events: [], dailySummaryAt: inTwoHours });
    await world.publish(filled(session), filled(session, { side: "SELL", price: "101", fee: "-0.05" }));
    await until(async () => (await world.database.db.sql`select 1 from notification.fills`).length === 2);
    world.aheadMs = 2 * HOUR_MS;
    await until(() => world.desk.at("/desk").length === 1);
    expect(world.desk.at("/desk")[0]).toMatchObject({
      kind: "summary",
      title: "The day: 2 fills, no open alerts",
      text: expect.stringContaining("- Mine: 2 fills, bought for 100.5, sold for 101, fees 0.05 USD"),
    });
    world.aheadMs += DAY_MS;
    await until(() => world.desk.at("/desk").length === 2);
    expect(world.desk.at("/desk")[1]).toMatchObject({ title: "The day: 0 fills, no open alerts", seq: 2 });
    await until(async () => (await world.read(id)).sent === 2);
  });

  test("messages that are over, and fills, are deleted once they are old; what waits stays", async () => {
    world = await World.create({ R3_NOTIFICATION_KEEP_DAYS: "1" });
    const session = sessionOf();
    world.desk.answer = ({ path }) => new Response("", { status: path === "/down" ? 503 : 200 });
    const up = await world.recipient("up", { events: ["fills"] });
    const down = await world.recipient("down", { events: ["fills"] });
    await world.publish(filled(session));
    await until(async () => (await world.read(up.id)).sent === 1);
    world.aheadMs = 3 * DAY_MS;
    // Another one leads, and begins with a look at what is old.
    await world.instances.shift()?.close();
    await world.addInstance();
    await until(async () => (await world.messages(up.id)).length === 0);
    expect(await world.database.db.sql`select 1 from notification.fills`).toHaveLength(0);
    expect(await world.messages(down.id)).toMatchObject([{ state: "waiting" }]);
  });
});

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { World } from "#services/notification/notification.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.close());

const sql = () => world.database.db.sql;
const titles = (name: string) => world.desk.at(`/${name}`).map(({ title }) => title);
const MINUTE_MS = 60_000;

describe("one recipient whose summary cannot be made", () => {
  test("holds up neither what others have due nor its own lane, and is tried again ever more seldom", async () => {
    let status = 503;
    world.desk.answer = ({ path }) => new Response("", { status: path === "/other" ? 200 : status });
    const { id } = await world.recipient("ill", { dailySummaryAt: "08:00" });
    const other = await world.recipient("other", { digestMinutes: 1 });
    await world.raise("TEST_WARNING", "topic:a");
    await until(async () => (await world.read(id)).lastError !== null && (await world.read(other.id)).held === 1);
    // No sum of it can be told. It is due before all else.
    await sql()`insert into notification.fills values ('a', ${Date.now() - 2 * MINUTE_MS}, 'BUY', 'NaN', 0, 'USD')`;
    await sql()`update notification.recipients set summary_at_ms = 1, summarized_at_ms = 1 where id = ${id}`;
    const failed = () => world.logged.filter((line) => line.includes("what is due was not done"));
    await until(() => failed().length > 0);
    status = 200;
    world.aheadMs = MINUTE_MS;
    await until(() => titles("other").length === 1 && world.desk.at("/ill").length > 1);
    await until(async () => (await world.read(id)).waiting === 0);
    // Its digest may tell with it that the other's channel is down.
    const [{ title, text } = { title: "", text: "" }] = world.desk.at("/other");
    expect(`${title}\n${text}`).toContain("warning: TEST_WARNING (topic:a)");
    const sinceMs = performance.now();
    const before = failed().length;
    await until(() => failed().length > before);
    expect(failed().length - before).toBe(1);
    await sql()`delete from notification.fills`;
    await until(() => world.desk.at("/ill").some(({ kind }) => kind === "summary"));
    expect(performance.now() - sinceMs).toBeGreaterThan(1_000);
  });
});

describe("what another version of the engine wrote", () => {
  test("of preferences counts as not given: the recipient is told, as all others are, and an alert names it", async () => {
    const { id } = await world.recipient("ill", { timeZone: "Europe/Paris", minSeverity: "warning" });
    await world.recipient("other");
    await sql()`
      update notification.recipients set preferences = preferences || '{"timeZone": "Mars/Olympus", "events": ["news"]}'
      where id = ${id}`;
    await world.raise("TEST_WARNING", "topic:a");
    await until(() => titles("ill").length === 1 && titles("other").length === 1);
    const read = await world.ask("GET", `/recipients/${id}`);
    expect(read).toMatchObject({ status: 200, body: { timeZone: "UTC", minSeverity: "warning" } });
    expect((await world.ask("GET", "/recipients")).status).toBe(200);
    // Another one leads, and begins with a look at recipients.
    await world.instances.shift()?.close();
    await world.addInstance();
    await until(async () => (await world.alertsOf(id)).includes("NOTIFICATION_UNREADABLE"));
    const [alert] = await sql()`select text from alerts.open where code = 'NOTIFICATION_UNREADABLE'`;
    expect(alert?.["text"]).toBe('Preferences of "ill" cannot be read and count as not given: events, timeZone.');
    await until(() => titles("other").some((title) => title.includes("NOTIFICATION_UNREADABLE")));
    expect(await world.change(id, { timeZone: "Europe/Paris" })).toMatchObject({ timeZone: "Europe/Paris" });
    expect(await world.alertsOf(id)).toEqual([]);
  });

  test("of what is held is told as a number", async () => {
    const { id } = await world.recipient("desk", { digestMinutes: 1 });
    for (const scope of ["topic:a", "topic:b"]) await world.raise("TEST_WARNING", scope);
    await until(async () => (await world.read(id)).held === 2);
    await sql()`update notification.held set content = '{"kind": "song"}' where n = (select min(n) from notification.held)`;
    world.aheadMs = MINUTE_MS;
    await until(() => world.desk.at("/desk").length === 1);
    expect(world.desk.at("/desk")[0]?.text).toMatch(/^- warning: TEST_WARNING \(topic:.\)\nand 1 more$/);
  });
});

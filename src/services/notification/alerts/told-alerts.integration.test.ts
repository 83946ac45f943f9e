import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { World } from "#services/notification/notification.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.close());

const HOUR_MS = 3_600_000;
const titles = (name: string) => world.desk.at(`/${name}`).map(({ title }) => title);
const kept = () => world.database.db.sql`select scope, code, silenced from notification.alerts order by scope, code`;

/** Waits until all that was raised of a scope is told to whom wants it: what is raised last of a scope is told last. */
async function toldAll(scope: string, ...names: string[]): Promise<void> {
  await world.raise("TEST_CRITICAL", scope, { text: "The last." });
  await until(() => names.every((name) => titles(name).includes(`critical: TEST_CRITICAL (${scope})`)));
}
const WARNING_A = "warning: TEST_WARNING (topic:a)";
const OVER_A = "Over: TEST_WARNING (topic:a)";
const LAST_A = "critical: TEST_CRITICAL (topic:a)";

describe("the end of an alert", () => {
  test("is told to whom was told of it, by the severity that it was raised with, and to nobody else", async () => {
    await world.recipient("critical", { minSeverity: "critical" });
    await world.recipient("warning", { minSeverity: "warning" });
    await world.raise("TEST_WARNING", "topic:a", { severity: "critical" });
    await world.raise("TEST_WARNING", "topic:b", { severity: "info" });
    for (const scope of ["topic:a", "topic:b"]) await world.clear("TEST_WARNING", scope);
    for (const scope of ["topic:a", "topic:b"]) await toldAll(scope, "critical", "warning");
    const both = ["critical: TEST_WARNING (topic:a)", OVER_A, LAST_A];
    for (const name of ["critical", "warning"])
      expect(titles(name).filter((title) => title.includes("topic:a"))).toEqual(both);
    for (const name of ["critical", "warning"])
      expect(titles(name).filter((title) => title.includes("topic:b"))).toEqual(["critical: TEST_CRITICAL (topic:b)"]);
    expect(await kept()).toHaveLength(2);
  });

  test("is told to who wants less by now, and not to who came later; its text has the severity of the alert", async () => {
    const less = await world.recipient("less", { templates: { alertOver: "{severity}" } });
    await world.raise("TEST_WARNING", "topic:a", { severity: "info" });
    await until(() => titles("less").length === 1);
    await world.change(less.id, { minSeverity: "critical" });
    await world.recipient("late");
    await world.clear("TEST_WARNING", "topic:a");
    await toldAll("topic:a", "less", "late");
    expect(titles("less")).toEqual(["info: TEST_WARNING (topic:a)", OVER_A, LAST_A]);
    expect(world.desk.at("/less")[1]?.text).toBe("info");
    expect(titles("late")).toEqual([LAST_A]);
  });
});

describe("once nobody wants it silenced any more, an alert", () => {
  test("that came anew meanwhile is told once, by two instances, also where the one that led goes", async () => {
    await world.addInstance();
    const { id } = await world.recipient("desk", { minSeverity: "warning" });
    await world.raise("TEST_WARNING", "topic:a");
    await until(() => titles("desk").length === 1);
    await world.silence("TEST_WARNING", "topic:a", Date.now() + HOUR_MS);
    await world.clear("TEST_WARNING", "topic:a");
    await world.raise("TEST_WARNING", "topic:a", { text: "Again." });
    const cameAnew = () =>
      world.database.db.sql`select 1 from notification.alerts where silenced and over_at_ms is null and told <> '{}'`;
    await until(async () => (await cameAnew()).length === 1);
    await world.raise("TEST_WARNING", "topic:a", { text: "It lasts." });
    expect(titles("desk")).toEqual([WARNING_A]);
    world.aheadMs = 2 * HOUR_MS;
    await until(() => titles("desk").length === 2);
    expect(world.desk.at("/desk")[1]).toMatchObject({ kind: "alert", text: expect.stringContaining("It lasts.") });
    // What is under way as an instance closes may come twice, under one id.
    await until(async () => (await world.read(id)).sent === 2);
    await world.instances.shift()?.close();
    await world.clear("TEST_WARNING", "topic:a");
    await toldAll("topic:a", "desk");
    expect(titles("desk")).toEqual([WARNING_A, WARNING_A, OVER_A, LAST_A]);
  });

  test("is told of where a person has ended the silence, and to whom wants it by then", async () => {
    await world.silence("TEST_WARNING", "topic:a", Date.now() + HOUR_MS);
    await world.recipient("desk");
    await world.raise("TEST_WARNING", "topic:a");
    await until(async () => (await kept()).length === 1);
    await world.recipient("late");
    await world.recipient("critical", { minSeverity: "critical" });
    await world.database.db.sql`delete from monitoring.silences`;
    await until(() => titles("desk").length === 1 && titles("late").length === 1);
    await world.clear("TEST_WARNING", "topic:a");
    await toldAll("topic:a", "desk", "late", "critical");
    for (const name of ["desk", "late"]) expect(titles(name)).toEqual([WARNING_A, OVER_A, LAST_A]);
    expect(titles("critical")).toEqual([LAST_A]);
  });

  test("that was told before and lasts is not told again; its end in the silence is told to whom was told of it", async () => {
    await world.recipient("desk");
    for (const scope of ["topic:a", "topic:b"]) await world.raise("TEST_WARNING", scope);
    await until(() => titles("desk").length === 2);
    await world.recipient("late");
    for (const scope of ["topic:a", "topic:b"]) await world.silence("TEST_WARNING", scope, Date.now() + HOUR_MS);
    await world.clear("TEST_WARNING", "topic:a");
    await until(async () => (await kept()).some(({ silenced }) => silenced));
    expect(titles("desk")).toHaveLength(2);
    world.aheadMs = 2 * HOUR_MS;
    await until(() => titles("desk").includes(OVER_A));
    for (const scope of ["topic:a", "topic:b"]) await toldAll(scope, "desk", "late");
    expect(titles("desk").slice(2)).toEqual([OVER_A, LAST_A, "critical: TEST_CRITICAL (topic:b)"]);
    expect(titles("late")).toEqual([LAST_A, "critical: TEST_CRITICAL (topic:b)"]);
    expect(await kept()).not.toContainEqual({ scope: "topic:a", code: "TEST_WARNING", silenced: expect.any(Boolean) });
  });

  test("that is over, and whose event has not come yet, is not told", async () => {
    await world.recipient("desk");
    await world.silence("TEST_WARNING", "topic:a", Date.now() + HOUR_MS);
    await world.raise("TEST_WARNING", "topic:a");
    await until(async () => (await kept()).length === 1);
    // As it stands between the commit of its end and the arrival of the event.
    await world.database.db.sql`delete from alerts.open`;
    await world.database.db.sql`delete from monitoring.silences`;
    await toldAll("topic:a", "desk");
    expect(titles("desk")).toEqual([LAST_A]);
  });
});

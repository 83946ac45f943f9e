import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Context } from "#services/monitoring/context.ts";
import { beatOf, HAND, World } from "#services/monitoring/monitoring.fixture.ts";
import { createRoutes } from "#services/monitoring/routes.ts";
import { look, ROLE } from "#services/monitoring/rules/look.ts";
import { writeShipped } from "#services/monitoring/rules/rule-store.ts";
import { SHIPPED_RULES } from "#services/monitoring/rules/shipped-rules.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";

const SECONDS = 1_000;
const DAY_MS = 86_400 * SECONDS;
const DOWN = { code: "SERVICE_DOWN", scope: "service:risk-manager" };
const SILENT = { code: "INSTANCE_SILENT", scope: "instance:risk-manager/one" };

let world: World;
beforeEach(async () => {
  world = await World.create({ wakeups: createBullmqWakeups, lock: createRedlockLock });
  const { sql } = world.database.db;
  await sql`insert into leadership.epochs (role, epoch) values (${ROLE}, 1)`;
  await world.database.db.transaction((tx) => writeShipped(tx, SHIPPED_RULES, 1));
});
afterEach(() => world.close());

type Beats = Parameters<typeof beatOf>[0][];

/** Looks once at the time that is so far ahead, where monitoring itself is heard and these are. */
async function lookAt(context: Context, aheadMs: number, beats: Beats = []): Promise<void> {
  HAND.aheadMs = aheadMs;
  const own = { service: "monitoring", instance: "own" };
  context.hearing.take([own, ...beats].map(beatOf), Date.now() + aheadMs);
  await look(context, { epoch: 1 });
}

/** Looks again and again over a stretch of time, with nobody else to hear. */
async function lookThrough(context: Context, fromMs: number, forMs: number): Promise<void> {
  // Each look adds the time that it takes; hearing breaks off after six seconds.
  for (let passedMs = 0; passedMs <= forMs; passedMs += 2.5 * SECONDS) await lookAt(context, fromMs + passedMs);
}

/** What is open of the two, in the order of their codes. */
async function open(): Promise<{ code: string; scope: string }[]> {
  return [
    ...(await world.database.db.sql<{ code: string; scope: string }[]>`
      select code, scope from alerts.open where code in (${DOWN.code}, ${SILENT.code}) order by 1`),
  ];
}

async function forget(context: Context, service: string): Promise<number> {
  const request = new Request(`http://localhost/api/monitoring/services/${service}/forget`, {
    method: "POST",
    body: JSON.stringify({ reason: "We trade no more." }),
    headers: { "content-type": "application/json" },
  });
  return (await createRoutes(context).handle(request)).status;
}

/** The names of the instances that are shown. */
async function shown(context: Context): Promise<string[]> {
  const answer = await createRoutes(context).handle(new Request("http://localhost/api/monitoring/services"));
  const { items } = (await answer.json()) as { items: { instances: { instance: string }[] }[] };
  return items.flatMap(({ instances }) => instances.map(({ instance }) => instance)).toSorted();
}

describe("a service that is down", () => {
  const one = { service: "risk-manager", instance: "one" };

  test("stays told of over a restart of monitoring and over days, until it is back", async () => {
    const context = await world.context();
    await lookAt(context, 0, [one]);
    await lookThrough(context, 5 * SECONDS, 25 * SECONDS);
    expect(await open()).toEqual([SILENT, DOWN]);
    const restarted = await world.context();
    await lookAt(restarted, 31 * SECONDS);
    expect(await open()).toEqual([SILENT, DOWN]);
    await lookAt(restarted, 2 * DAY_MS);
    await lookThrough(restarted, 2 * DAY_MS, 25 * SECONDS);
    const next = await world.context();
    await lookAt(next, 3 * DAY_MS);
    expect(await open()).toEqual([SILENT, DOWN]);
    const told = (await world.told()).map(({ type, code }) => `${type} ${code}`).toSorted();
    expect(told).toEqual(["alert.raised INSTANCE_SILENT", "alert.raised SERVICE_DOWN"]);
    await lookAt(next, 3 * DAY_MS + SECONDS, [{ ...one, instance: "two", startedAtMs: Date.now() + 3 * DAY_MS }]);
    expect(await open()).toEqual([]);
  });

  test("is told of also where all of it was stopped in order, until a person says that it is gone for good", async () => {
    const context = await world.context();
    await lookAt(context, 0, [{ ...one, leaving: true, ready: false }]);
    await lookThrough(context, DAY_MS, 20 * SECONDS);
    expect(await open()).toEqual([DOWN]);
    expect(await forget(context, "risk-manager")).toBe(204);
    await lookAt(context, DAY_MS + 21 * SECONDS);
    expect(await open()).toEqual([]);
    expect(await shown(context)).toEqual(["own"]);
    for (const service of ["risk-manager", "monitoring", "none"]) expect(await forget(context, service)).toBe(404);
  });

  test("that a person has forgotten is known again once it is heard", async () => {
    const context = await world.context();
    await lookAt(context, 0, [one]);
    await lookThrough(context, 5 * SECONDS, 10 * SECONDS);
    expect(await open()).toEqual([SILENT]);
    expect(await forget(context, "risk-manager")).toBe(204);
    await lookThrough(context, 20 * SECONDS, 20 * SECONDS);
    expect([await open(), await shown(context)]).toEqual([[], ["own"]]);
    await lookAt(context, 45 * SECONDS, [one]);
    expect(await shown(context)).toEqual(["one", "own"]);
    await lookThrough(context, 50 * SECONDS, 25 * SECONDS);
    expect(await open()).toEqual([SILENT, DOWN]);
  });
});

describe("an instance that is down while others of its service work", () => {
  const [one, two] = ["one", "two"].map((instance) => ({ service: "risk-manager", instance })) as [Beats[0], Beats[0]];

  test("stays missed where it died; one that was stopped in order is not, and is shown for an hour", async () => {
    const context = await world.context();
    const left = { service: "risk-manager", instance: "left", leaving: true, ready: false };
    await lookAt(context, 0, [one, two, left]);
    for (const aheadMs of [5, 10, 15].map((seconds) => seconds * SECONDS)) await lookAt(context, aheadMs, [two]);
    expect([await open(), await shown(context)]).toEqual([[SILENT], ["left", "one", "own", "two"]]);
    await lookAt(context, DAY_MS, [two]);
    await lookAt(context, DAY_MS + SECONDS, [two]);
    expect([await open(), await shown(context)]).toEqual([[SILENT], ["one", "own", "two"]]);
    expect(await forget(context, "risk-manager")).toBe(204);
    await lookAt(context, DAY_MS + 2 * SECONDS, [two]);
    expect([await open(), await shown(context)]).toEqual([[], ["own", "two"]]);
  });
});

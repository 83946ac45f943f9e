import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Context } from "#services/monitoring/context.ts";
import { TRACKER, World } from "#services/monitoring/monitoring.fixture.ts";
import { look, ROLE } from "#services/monitoring/rules/look.ts";
import { writeShipped } from "#services/monitoring/rules/rule-store.ts";
import { SHIPPED_RULES } from "#services/monitoring/rules/shipped-rules.ts";
import { putSession } from "#shared/db/reference-rows.fixture.ts";
import { orderRequestOf, sessionOf } from "#shared/domain/domain.fixture.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { CANCEL_ORDER, PLACE_ORDER } from "#shared/messages/tasks.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";

/** More than two pages of a thousand. */
const MANY = 2_300;
const SESSION = sessionOf({ degraded: [{ code: "FEED_STALE", sinceMs: 1, text: "No bar came." }] });

let world: World;
let context: Context;
beforeEach(async () => {
  world = await World.create({ wakeups: createBullmqWakeups, lock: createRedlockLock });
  context = await world.context();
  const { db } = world.database;
  // As they are shipped, but none has to be met for long.
  const rules = SHIPPED_RULES.map((rule) => ({ ...rule, forMs: 0, endsAfterMs: 0 }));
  await db.transaction((tx) => writeShipped(tx, rules, 1));
  await db.sql`insert into leadership.epochs (role, epoch) values (${ROLE}, 1)`;
});
afterEach(() => world.close());

const openAlerts = (code: string) =>
  world.database.db.sql<{ scope: string; text: string }[]>`select scope, text from alerts.open where code = ${code}`;

/** Looks until as many alerts of this code are open; gives how many looks that took. */
async function looksUntil(code: string, count: number): Promise<number> {
  for (let looks = 1; looks <= 10; looks += 1) {
    await look(context, { epoch: 1 });
    if ((await openAlerts(code)).length === count) return looks;
  }
  throw new Error(`${(await openAlerts(code)).length} alerts ${code} are open after ten looks.`);
}
const blindTo = async (source: string) =>
  (await openAlerts("MONITORING_BLIND")).find(({ scope }) => scope === `source:${source}`)?.text;

function expose(count: number): void {
  TRACKER.exposed = Array.from({ length: count }, (_, at) => {
    return { sessionId: `s${at}`, name: `Session ${at}`, missing: ["FEED_STALE"], openOrders: 0, positions: 1 };
  });
}

describe("sessions that hold something while something is missing", () => {
  test("are all told of, a part at a look, and all are over again; the tracker is asked only where something is missing", async () => {
    TRACKER.failsAtPage = 0;
    await look(context, { epoch: 1 });
    expect(await blindTo("sessions")).toBeUndefined();
    TRACKER.failsAtPage = -1;
    await putSession(world.database.db.sql, SESSION);
    expose(MANY);
    expect(await looksUntil("EXPOSED_DEGRADED", MANY)).toBe(5);
    const last = (await openAlerts("EXPOSED_DEGRADED")).find(({ scope }) => scope === `session:s${MANY - 1}`);
    expect(last?.text).toContain("FEED_STALE");
    expose(0);
    expect(await looksUntil("EXPOSED_DEGRADED", 0)).toBe(5);
  });

  test("stay told of where a page of them cannot be seen, which is told too", async () => {
    await putSession(world.database.db.sql, SESSION);
    expose(1_400);
    await looksUntil("EXPOSED_DEGRADED", 1_400);
    TRACKER.failsAtPage = 1;
    await look(context, { epoch: 1 });
    expect(await looksUntil("EXPOSED_DEGRADED", 1_400)).toBe(1);
    expect(await blindTo("sessions")).toContain("it is away");
  });

  test("are looked at up to a bound, past which monitoring says so", async () => {
    await putSession(world.database.db.sql, SESSION);
    expose(20_001);
    await look(context, { epoch: 1 });
    await look(context, { epoch: 1 });
    expect(await blindTo("sessions")).toContain("there are more than 20000");
  });
});

test("every order that is on its way for long is told of, and so is every cancel", async () => {
  const { deps } = await world.open();
  const cancel = { sessionId: SESSION.id, reason: "It is not wanted any more." };
  await deps.db.transaction(async (tx) => {
    for (let number = 1; number <= MANY; number += 1) {
      const order = orderRequestOf(SESSION, number);
      await (number % 2 === 0
        ? deps.queue.enqueue(tx, { task: PLACE_ORDER, lane: order.id, payload: { order } })
        : deps.queue.enqueue(tx, { task: CANCEL_ORDER, lane: order.id, payload: { orderId: order.id, ...cancel } }));
    }
  });
  const { sql } = world.database.db;
  await look(context, { epoch: 1 });
  expect(await openAlerts("ORDER_STUCK")).toHaveLength(0);
  await sql`update queue.tasks set created_at_ms = created_at_ms - 31000`;
  expect(await looksUntil("ORDER_STUCK", MANY)).toBe(5);
  await sql`update queue.tasks set state = 'done'`;
  expect(await looksUntil("ORDER_STUCK", 0)).toBe(5);
});

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { pino } from "pino";
import type { Bus } from "#shared/bus/bus.ts";
import type { NewParked } from "#shared/bus/parking.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { systemClock } from "#shared/clock/system.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { createMemoryWakeups } from "#shared/queue/memory.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
import type { DeadDetail, DeadItem } from "./dead-item.ts";
import { createDeadRoutes } from "./dead-routes.ts";

const GROUP = "risk-manager";
const ANY_ID = "0198c5d0-0000-7000-8000-000000000000";
const log = pino({ level: "silent" });
let database: TestDatabase;
let routes: ReturnType<typeof createDeadRoutes>;

beforeAll(async () => {
  database = await createTestDatabase();
  const { parking } = createPostgresLogStore(database.db);
  const queue = createTaskQueue({ db: database.db, wakeups: createMemoryWakeups(), clock: systemClock, log });
  const bus = { parking, publish: () => undefined } as unknown as Bus;
  const deps = { db: database.db, bus, queue, clock: systemClock, log };
  routes = createDeadRoutes(GROUP, deps);
});
afterAll(() => database.drop());

/** Parks events of a key, as their owner does; gives their ids in order. */
async function park(key: string, entries: readonly Pick<NewParked, "seq" | "state">[]): Promise<string[]> {
  const { parking } = createPostgresLogStore(database.db);
  const full = entries.map(
    (entry): NewParked => ({
      ...entry,
      topic: "orders",
      key,
      json: `{"n":${entry.seq}}`,
      tries: 1,
      error: "no",
      delayMs: 0,
    }),
  );
  await database.db.transaction((tx) => parking.park(tx, { group: GROUP, part: 0, epoch: 1 }, full));
  const all = await parking.list({ group: GROUP }, null, 1_000);
  const own = all.filter((event) => event.key === key).toSorted((a, b) => a.seq - b.seq);
  return own.map(({ id }) => id);
}

async function ask(path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const init =
    body === undefined
      ? {}
      : { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const answer = await routes.handle(new Request(`http://localhost/api/${GROUP}${path}`, init));
  return { status: answer.status, body: await answer.json() };
}

describe("the REST of what could not be handled", () => {
  test("lists dead events by pages, oldest first, and parked ones when asked", async () => {
    const ids = await park("listed", [
      { seq: 1, state: "dead" },
      { seq: 2, state: "dead" },
      { seq: 3, state: "parked" },
    ]);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const { body } = await ask(`/dead?limit=1${cursor === null ? "" : `&cursor=${cursor}`}`);
      const page = body as { items: DeadItem[]; nextCursor: string | null };
      expect(page.items.length).toBe(1);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen.toSorted()).toEqual(ids.slice(0, 2).toSorted());
    const parked = (await ask("/dead?state=parked")).body as { items: DeadItem[] };
    expect(parked.items).toMatchObject([{ id: ids[2], kind: "event", channel: "orders", lane: "listed", seq: 3 }]);
  });

  test.each([[[1.5, ANY_ID]], [[1e300, ANY_ID]], [[-1, ANY_ID]], [[1, "a"]]])(
    "a cursor that no page gave is refused: %j",
    async (key) => {
      const cursor = Buffer.from(JSON.stringify(key)).toString("base64url");
      expect((await ask(`/dead?cursor=${cursor}`)).status).toBe(422);
    },
  );

  test("shows one with its content and how many wait behind it", async () => {
    const [id] = await park("shown", [
      { seq: 11, state: "dead" },
      { seq: 12, state: "parked" },
    ]);
    const { status, body } = await ask(`/dead/${id}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id,
      state: "dead",
      content: '{"n":11}',
      waiting: 1,
      error: "no",
      tries: 1,
      actions: [],
    });
    expect((await ask(`/dead/${id?.toUpperCase()}`)).body).toEqual(body);
    expect((await ask(`/dead/${crypto.randomUUID()}`)).status).toBe(404);
  });

  test("a redrive is recorded with who and why, and is done once", async () => {
    const [id] = await park("redriven", [{ seq: 21, state: "dead" }]);
    const { status, body } = await ask(`/dead/${id}/redrive`, { reason: " mended in 1.2 " });
    expect(status).toBe(200);
    expect(body).toMatchObject({ state: "parked", tries: 0 });
    expect((body as DeadDetail).actions).toMatchObject([{ action: "redrive", by: "local", reason: "mended in 1.2" }]);
    expect(await ask(`/dead/${id}/redrive`, { reason: "again" })).toMatchObject({ status: 409 });
    const rows = await database.db.sql`
      select service, kind, by_whom, reason, subject ->> 'content' as content from dead.actions where dead_id = ${id ?? ""}`;
    expect([...rows]).toEqual([
      { service: GROUP, kind: "event", by_whom: "local", reason: "mended in 1.2", content: '{"n":21}' },
    ]);
  });

  test("what was redriven and done is read with who and why afterwards", async () => {
    const [id = ""] = await park("done", [{ seq: 41, state: "dead" }]);
    await ask(`/dead/${id}/redrive`, { reason: "mended" });
    expect(await ask(`/dead/${id}`)).toMatchObject({ status: 200, body: { state: "parked" } });
    const { parking } = createPostgresLogStore(database.db);
    await database.db.transaction((tx) => parking.remove(tx, { group: GROUP, part: 0, epoch: 1 }, "orders", [41]));
    expect(await ask(`/dead/${id}`)).toMatchObject({
      status: 200,
      body: { id, state: "done", content: '{"n":41}', error: "no", waiting: 0, actions: [{ reason: "mended" }] },
    });
    expect(await ask(`/dead/${id}/discard`, { reason: "too late" })).toMatchObject({ status: 409 });
    expect(JSON.stringify((await ask("/dead?limit=500")).body)).not.toContain(id);
  });

  test("what was discarded is listed no more, and read with who and why", async () => {
    const [id = ""] = await park("discarded", [{ seq: 31, state: "dead" }]);
    const discarded = await ask(`/dead/${id}/discard`, { reason: "never happened" });
    expect(discarded).toMatchObject({
      status: 200,
      body: { state: "discarded", waiting: 0, actions: [{ action: "discard", reason: "never happened" }] },
    });
    expect(await ask(`/dead/${id}`)).toEqual(discarded);
    expect(await ask(`/dead/${id}/redrive`, { reason: "after all" })).toMatchObject({ status: 409 });
    expect(JSON.stringify((await ask("/dead?limit=500")).body)).not.toContain(id);
    const [row] = await database.db.sql`
      select action, reason, subject ->> 'content' as content from dead.actions where dead_id = ${id ?? ""}`;
    expect(row).toEqual({ action: "discard", reason: "never happened", content: '{"n":31}' });
  });

  test.each([[{}], [{ reason: "" }], [{ reason: "   " }], [{ reason: "x", by: "me" }]])(
    "an action without a reason, or with more than one, is refused: %j",
    async (body) => {
      const [id] = await park(crypto.randomUUID(), [{ seq: 100 + Math.floor(Math.random() * 1e9), state: "dead" }]);
      expect((await ask(`/dead/${id}/redrive`, body)).status).toBe(422);
      expect(await ask(`/dead/${id}`)).toMatchObject({ status: 200, body: { state: "dead", actions: [] } });
    },
  );

  test("dead tasks are listed beside events, and redriven or discarded alike", async () => {
    const ids = [Bun.randomUUIDv7(), Bun.randomUUIDv7()];
    for (const [index, id] of ids.entries()) {
      await database.db.sql`
        insert into queue.tasks (id, queue, lane, seq, priority, type, payload, state, holds, failures, error, created_at_ms)
        values (${id}, 'risk-manager', ${`lane-${index}`}, 1, 5, 't', '{"n":1}', 'dead', true, 30, 'no', 1)`;
    }
    const { body } = await ask("/dead?limit=2");
    expect((body as { items: DeadItem[] }).items).toMatchObject(
      ids.map((id) => ({ id, kind: "task", channel: "risk-manager", tries: 30 })),
    );
    const redriven = await ask(`/dead/${ids[0]}/redrive`, { reason: "mended" });
    expect(redriven).toMatchObject({ status: 200, body: { content: '{"n":1}', actions: [{ action: "redrive" }] } });
    // It waits to be tried.
    expect(await ask(`/dead/${ids[0]}`)).toMatchObject({ status: 200, body: { state: "parked", tries: 0 } });
    expect(await ask(`/dead/${ids[1]}/discard`, { reason: "void" })).toMatchObject({ body: { state: "discarded" } });
    await database.db.sql`update queue.tasks set state = 'done' where id = ${ids[0] ?? ""}`;
    expect(await ask(`/dead/${ids[0]}`)).toMatchObject({ body: { state: "done", actions: [{ reason: "mended" }] } });
    expect(await ask(`/dead/${ids[1]}`)).toMatchObject({ body: { state: "discarded", content: '{"n":1}' } });
    const rows = await database.db.sql`
      select state, failures, outcome from queue.tasks where queue = 'risk-manager' order by lane`;
    expect([...rows]).toEqual([
      { state: "done", failures: 0, outcome: null },
      { state: "done", failures: 30, outcome: { discarded: true } },
    ]);
  });

  test("what another service's person decided about is not found", async () => {
    const [id = ""] = await park("foreign", [{ seq: 51, state: "dead" }]);
    await ask(`/dead/${id}/discard`, { reason: "void" });
    await database.db.sql`update dead.actions set service = 'other' where dead_id = ${id}`;
    expect((await ask(`/dead/${id}`)).status).toBe(404);
  });

  test("what belongs to another group is not found", async () => {
    const { parking } = createPostgresLogStore(database.db);
    await database.db.transaction((tx) =>
      parking.park(tx, { group: "other", part: 0, epoch: 1 }, [
        { topic: "t", key: "k", seq: 1, json: "{}", state: "dead", tries: 1, error: "no", delayMs: 0 },
      ]),
    );
    const [foreign] = await parking.list({ group: "other" }, null, 1);
    expect((await ask(`/dead/${foreign?.id}/discard`, { reason: "x" })).status).toBe(404);
  });
});

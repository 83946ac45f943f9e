import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createReplica, type Replica } from "#services/session-manager/session-manager.fixture.ts";
import type { Bus, OutgoingEvent } from "#shared/bus/bus.ts";
import { createPostgresDb } from "#shared/db/postgres.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";

let database: TestDatabase;
let published: OutgoingEvent[] = [];
let replicas: Replica[] = [];
const dbs: ReturnType<typeof createPostgresDb>[] = [];
const KEY = { "idempotency-key": "k-1" };

const bus = {
  partitionOf: () => 0,
  publish: (tx: { afterCommit(run: () => void): void }, events: OutgoingEvent[]) =>
    tx.afterCommit(() => void published.push(...events)),
} as unknown as Bus;

beforeAll(async () => {
  database = await createTestDatabase();
  dbs.push(...[1, 2, 3].map(() => createPostgresDb(database.url, { maxConnections: 5 })));
});
afterAll(async () => {
  await Promise.all(dbs.map((db) => db.close()));
  await database.drop();
});
beforeEach(async () => {
  published = [];
  await database.db.sql`truncate reference.sessions, session_manager.idempotency_keys`;
  replicas = dbs.map((db) => createReplica(db, bus));
});

function replica(index: number): Replica {
  const found = replicas[index % replicas.length];
  if (found === undefined) throw new Error("There is no replica.");
  return found;
}

async function count(): Promise<number> {
  const [row] = await database.db.sql<{ count: number }[]>`select count(*)::int as count from reference.sessions`;
  return row?.count ?? -1;
}

describe("an idempotency key", () => {
  test("gives the same answer at any replica, also when the others cannot be asked any more", async () => {
    const first = await replica(0).create(KEY);
    replica(1).world.down = true;
    const second = await replica(1).create(KEY);
    expect(second).toEqual(first);
    expect(await count()).toBe(1);
    expect(published).toHaveLength(1);
  });

  test("is 422 with another body, and free for another caller and another route", async () => {
    await replica(0).create(KEY);
    const other = await replica(1).create(KEY, { name: "other" });
    expect(other.status).toBe(422);
    expect(other.body.errors?.[0]?.field).toBe("headers.idempotency-key");
    expect((await replica(2).create({ ...KEY, "x-forwarded-user": "eve" }, { name: "other" })).status).toBe(201);
    const { id } = (await replica(0).create()).body;
    expect((await replica(0).call({ method: "POST", path: `/${id}/start`, headers: KEY })).status).toBe(200);
    expect((await replica(1).call({ method: "POST", path: `/${id}/start`, headers: KEY })).body.run).toBe(1);
  });

  test("does not mind the order of the body's keys", async () => {
    const params = { a: 1, b: 2 };
    const first = await replica(0).create(KEY, { params });
    const second = await replica(1).create(KEY, { params: { b: 2, a: 1 } });
    expect(second.body.id).toBe(first.body.id);
  });

  test("is forgotten with a change that failed, and when its time is over", async () => {
    const { id } = (await replica(0).create()).body;
    const pause = () => replica(0).call({ method: "POST", path: `/${id}/pause`, headers: KEY });
    expect((await pause()).status).toBe(409);
    await database.db.sql`update reference.sessions set session = jsonb_set(session, '{state}', '"RUNNING"')`;
    expect((await pause()).status).toBe(200);
    expect((await pause()).status).toBe(200);
    await replica(0).clock.advance(86_400_000);
    expect((await pause()).status).toBe(409);
  });

  test("gives a deletion's answer again", async () => {
    const { id } = (await replica(0).create()).body;
    const remove = (index: number) => replica(index).call({ method: "DELETE", path: `/${id}`, headers: KEY });
    expect((await remove(0)).status).toBe(204);
    expect((await remove(1)).status).toBe(204);
    expect((await replica(2).call({ method: "DELETE", path: `/${id}` })).status).toBe(404);
  });

  test("used by many at the same time at three replicas makes one session, and all get its answer", async () => {
    const called = await Promise.all(Array.from({ length: 30 }, (_, index) => replica(index).create(KEY)));
    expect(new Set(called.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(called.map(({ body }) => body.id)).size).toBe(1);
    expect(await count()).toBe(1);
    expect(published).toHaveLength(1);
  });

  test("makes no difference between keys: as many sessions as keys", async () => {
    const keyed = Array.from({ length: 30 }, (_, index) => ({ "idempotency-key": `k-${index % 10}` }));
    await Promise.all(keyed.map((headers, index) => replica(index).create(headers)));
    expect(await count()).toBe(10);
  });
});

import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { createReplica, type Replica } from "#services/session-manager/session-manager.fixture.ts";
import type { Bus } from "#shared/bus/bus.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";

let database: TestDatabase;
let replica: Replica;

const bus = { partitionOf: () => 3, publish: () => undefined } as unknown as Bus;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
});
beforeEach(() => {
  replica = createReplica(database.db, bus);
});

/** Creations that wait for another service, which answers once `free` is called. */
function hanging(count: number) {
  const gate = Promise.withResolvers<void>();
  replica.world.gate = gate.promise;
  const created = Array.from({ length: count }, () => replica.create());
  return { created, free: gate.resolve };
}

const act = (id: string, action: string) => replica.call({ method: "POST", path: `/${id}/${action}` });

test("creations that hang keep no session from its start, its pause and its stop", async () => {
  const { id } = (await replica.create()).body;
  const { created, free } = hanging(100);
  await until(() => replica.clock.sleeping === 100);
  for (const action of ["start", "stop"]) expect((await act(id, action)).status).toBe(200);
  free();
  const statuses = (await Promise.all(created)).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([201]));
});

test("of creations that hang, those that wait are told to come again", async () => {
  const { created, free } = hanging(20);
  const statuses: number[] = [];
  for (const one of created) void one.then(({ status }) => statuses.push(status));
  await until(() => replica.clock.sleeping === 20);
  await replica.clock.advance(30_000);
  await until(() => statuses.length > 0);
  free();
  const answers = await Promise.all(created);
  const refused = answers.filter(({ status }) => status === 503);
  expect(refused).toHaveLength(12);
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(8);
  expect(refused[0]?.body).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
  expect(refused[0]?.body.detail).toContain("send it again, with the same Idempotency-Key");
});

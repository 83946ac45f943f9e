import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { riskSession, World } from "#services/risk-manager/risk-manager.fixture.ts";
import { lockContext, lockNextContext } from "#services/risk-manager/store.ts";
import { putSession } from "#shared/db/reference-rows.fixture.ts";
import { signalOf } from "#shared/domain/domain.fixture.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Signal } from "#shared/domain/signal.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { DECIDE_SIGNAL, FLATTEN_POSITION } from "#shared/messages/tasks.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import { insertTasks } from "#shared/queue/lane-rows.ts";
import type { TaskType } from "#shared/queue/queue.ts";
import { decideSignal } from "./decide-signal.ts";

let world: World;
let session: Session;
let signal: Signal;

// No worker is started: a task stays until it is read.
beforeAll(async () => {
  world = await World.create({ wakeups: createBullmqWakeups, lock: createRedlockLock });
});
beforeEach(async () => {
  session = await putSession(world.database.db.sql, riskSession());
  signal = signalOf(session);
});
afterAll(async () => {
  await world.close();
});

describe("a context that is read with the lane's lock", () => {
  const nextTo = ({ queue, type }: TaskType, payload: unknown) =>
    world.database.db.transaction(async (tx) => {
      const row = { id: crypto.randomUUID(), queue, lane: session.id, type, payload, priority: 5, traceparent: null };
      await insertTasks(tx, { tasks: [row], graceMs: 0 });
      const found = await lockNextContext(tx, session.id, 1);
      await tx.sql`delete from queue.tasks where id = ${row.id}`;
      return found;
    });
  const alone = () => world.database.db.transaction((tx) => lockContext(tx, signal, 1));

  test("is that of the signal to be decided, as it is read alone", async () => {
    const found = await nextTo(DECIDE_SIGNAL, { signal });
    expect(found).toEqual({ signalId: signal.id, context: await alone() });
    expect(found?.context).toMatchObject({ decided: null, session: { id: session.id }, budget: { openOrders: 0 } });
  });

  test("is not there for a task of another kind, nor for one that is none", async () => {
    expect(await nextTo(FLATTEN_POSITION, { signal })).toBeNull();
    expect(await nextTo(DECIDE_SIGNAL, "nothing")).toBeNull();
    expect(await nextTo(DECIDE_SIGNAL, { signal: {} })).toMatchObject({ signalId: null, context: { session: null } });
  });

  test("is what its signal is decided on, and no other", async () => {
    const context = { ...(await alone()), decided: "denied" as const };
    const decide = (signalId: string) =>
      world.database.db.transaction((tx) => decideSignal(tx, world.ports, signal, { signalId, context }));
    expect(await decide(signal.id)).toEqual({ decision: "already made" });
    expect(await decide("another one")).toMatchObject({ decision: "approved" });
  });
});

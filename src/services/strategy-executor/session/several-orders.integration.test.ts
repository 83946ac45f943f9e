import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  candleOf,
  runRow,
  sessionChanged,
  shardSession,
  signalsOf,
  startReplica,
  untilCandle,
  worldOf,
} from "#services/strategy-executor/executor.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { orderRequestOf } from "#shared/domain/domain.fixture.ts";
import type { Order, OrderState } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Signal } from "#shared/domain/signal.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { newOrder } from "#shared/orders/new-order.ts";
import { flip } from "#strategies/flip.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await putInstrument(database.db.sql, spx);
});
afterAll(async () => database.drop());

/** The event by which one of the two orders of a signal ends. */
function ended(session: Session, signal: Signal, number: number, state: OrderState) {
  const request = orderRequestOf(session, number, { signalId: signal.id, signalOrders: 2 });
  const order: Order = { ...newOrder(request), state };
  return { topic: "orders", type: "order.changed", key: session.id, data: { from: "ACCEPTED", order } };
}

test("a session stays busy until all orders of its signal have ended, also across a restart and a second end", async () => {
  const world = worldOf(database, [flip]);
  const strategy = { strategy: flip.name, strategyVersion: flip.version };
  const starting = await putSession(database.db.sql, shardSession({ ...strategy, state: "STARTING" }));
  let replica = await startReplica(world);
  await until(async () => (await runRow(world, starting.id))?.phase === "READY");
  const session = await putSession(database.db.sql, { ...starting, state: "RUNNING", version: 2 });
  await replica.deliver([sessionChanged(session)]);
  const show = async (n: number) => {
    world.candles.push(candleOf(n, "100"));
    replica.show(candleOf(n, "100"));
    await untilCandle(world, session.id, n);
    return signalsOf(world, session.id).length;
  };
  expect(await show(1)).toBe(1);
  const [signal] = signalsOf(world, session.id) as [Signal];
  await replica.deliver([ended(session, signal, 1, "EXPIRED")]);
  expect(await show(2)).toBe(1);
  await replica.kill();
  replica = await startReplica(world);
  // A late fill ends it a second time: the other one is still on its way.
  await replica.deliver([ended(session, signal, 1, "FILLED")]);
  expect(await show(3)).toBe(1);
  await replica.deliver([ended(session, signal, 2, "REJECTED")]);
  expect(await show(4)).toBe(2);
  await replica.kill();
});

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { ACCOUNT, World } from "#services/risk-manager/risk-manager.fixture.ts";
import type { Db, Tx } from "#shared/db/db.ts";
import { createPostgresDb } from "#shared/db/postgres.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import { type Answer, KillDesk } from "./kill.fixture.ts";

/** How long the kill switch's own connection waits; for a lock 0.8 of it. */
const TIMEOUT_MS = 1_000;

let world: World;
/** One connection alone, so that all stand in one line. */
let narrow: Db;
let desk: KillDesk;

beforeAll(async () => {
  world = await World.create({ wakeups: createBullmqWakeups, lock: createRedlockLock });
  narrow = createPostgresDb(world.database.url, { maxConnections: 1, timeoutMs: TIMEOUT_MS });
  desk = new KillDesk(world, narrow);
});
beforeEach(async () => {
  await desk.clear();
});
afterAll(async () => {
  await narrow.close();
  await world.close();
});

/** A transaction that has sent a statement and stays open until it is let go. */
async function hold(db: Db, begin: (tx: Tx) => Promise<unknown>) {
  const [held, letGo] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const over = db.transaction(async (tx) => {
    await begin(tx);
    held.resolve();
    await letGo.promise;
  });
  await held.promise;
  return async () => {
    letGo.resolve();
    await over;
  };
}

const lockAsDecisionsDo = ({ sql }: Tx) => sql`lock table reference.risk_states in row share mode`;

describe("the kill switch", () => {
  const asks: [string, () => Promise<Answer>, number][] = [
    ["a kill", () => desk.ask("/kill", { account: ACCOUNT }), 202],
    ["a release", () => desk.ask("/release", { account: ACCOUNT }), 204],
    ["a trading state", () => desk.ask(`/accounts/${ACCOUNT}/trading-state`, { tradingState: "REDUCING" }), 200],
  ];

  test.each(asks)(
    "lets %s pass all that wait for a connection, and answers without a second turn",
    async (_what, ask, status) => {
      const order: string[] = [];
      const letGo = await hold(narrow, ({ sql }) => sql`select 1`);
      // Together they take longer than anybody waits.
      const others = narrow.transaction(async ({ sql }) => {
        for (let time = 0; time < 3; time += 1) await sql`select pg_sleep(0.5)`;
        order.push("others");
      });
      const asked = ask().then((answer) => {
        order.push("asked");
        return answer;
      });
      await letGo();
      expect((await asked).status).toBe(status);
      await others;
      expect(order).toEqual(["asked", "others"]);
    },
  );

  test.each(asks)(
    "tries %s again where somebody holds the states of risk for longer than a lock is waited for",
    async (_what, ask, status) => {
      const letGo = await hold(world.database.db, lockAsDecisionsDo);
      const asked = ask();
      const first = await desk.waitingSince("lock table reference.risk_states");
      await desk.waitingSince("lock table reference.risk_states", first);
      await letGo();
      expect((await asked).status).toBe(status);
    },
  );
});

import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import type { Bus } from "#shared/bus/bus.ts";
import { createBus } from "#shared/bus/create-bus.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import { sealBroker } from "#shared/bus/sealed-broker.ts";
import { systemClock } from "#shared/clock/system.ts";
import type { Db } from "#shared/db/db.ts";
import { putAccount, putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, testRedis } from "#shared/db/test-database.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import type { Session } from "#shared/domain/session.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { event, SESSIONS } from "#shared/messages/topics.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import type { TaskQueue } from "#shared/queue/queue.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
import { readSeal } from "#shared/seal/seal.ts";
import { type Neighbours, serveNeighbours } from "./alone-neighbours.fixture.ts";

/** What one service that runs alone stands on, and a hand on each part of it: all are real, and nobody else's. */
export interface World {
  db: Db;
  bus: Bus;
  queue: TaskQueue;
  neighbours: Neighbours;
  /** Empty; goes with the world. */
  folder: string;
  /** Settings by which a process joins this world. */
  settings: Record<string, string>;
  close(): Promise<void>;
}

export async function createWorld(): Promise<World> {
  const database = await createTestDatabase();
  const redis = testRedis();
  const { db } = database;
  const clock = systemClock;
  const log = pino({ level: "silent" });
  const logStore = createPostgresLogStore(db);
  const plain = createRedisBroker({ ...redis, incarnation: await logStore.incarnation() });
  const broker = sealBroker(plain, await readSeal(db), () => undefined);
  const lock = createRedlockLock(redis);
  const leader = createLeader({ db, lock, clock, log, leaseMs: 5_000, holder: "test" });
  const bus = createBus({ db, logStore, broker, leader, clock, log, instance: "test" });
  const queue = createTaskQueue({ db, wakeups: createBullmqWakeups({ ...redis, log }), clock, log });
  const neighbours = serveNeighbours();
  const folder = mkdtempSync(join(tmpdir(), "alone-"));
  return {
    db,
    bus,
    queue,
    neighbours,
    folder,
    settings: { DATABASE_URL: database.url, REDIS_URL: redis.url, R3_PREFIX: redis.prefix, ...neighbours.settings },
    async close() {
      await bus.close();
      await queue.close();
      await leader.close();
      await neighbours.close();
      await redis.cleanup();
      await database.drop();
      await rm(folder, { recursive: true });
    },
  };
}

/** The session of these tests. */
export const SESSION: Session = sessionOf({
  strategy: "sma-cross",
  strategyVersion: "1.0.0",
  params: { fast: 1, slow: 2 },
  timeFrame: "1d",
});

/** Writes what other services would have written: the instrument, the account and the session, which trades, with the event of its start. */
export async function putReferences({ db, bus }: World): Promise<void> {
  await putInstrument(db.sql, spx);
  await putAccount(db.sql, SESSION.accountId, spx.venue);
  const session = { ...SESSION, partition: bus.partitionOf(SESSION.id) };
  await putSession(db.sql, session);
  await db.transaction(async (tx) => {
    const starting = { ...session, state: "STARTING" as const };
    bus.publish(tx, [event(SESSIONS, session.id, "session.changed", { from: "CREATED", session: starting })]);
  });
}

import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import type { Bus } from "#shared/bus/bus.ts";
import { createBus } from "#shared/bus/create-bus.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import { systemClock } from "#shared/clock/system.ts";
import type { Db } from "#shared/db/db.ts";
import { createTestDatabase, testRedis } from "#shared/db/test-database.ts";
import type { Session } from "#shared/domain/session.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import type { TaskQueue } from "#shared/queue/queue.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
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
  const broker = createRedisBroker({ ...redis, incarnation: await logStore.incarnation() });
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
export const SESSION: Session = {
  id: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
  code: "abcd1234",
  name: "alone",
  strategy: "sma-cross",
  strategyVersion: "1.0.0",
  params: { fast: 1, slow: 2 },
  instrumentIds: [spx.id],
  timeFrame: "1d",
  accountId: "demo",
  capital: "10000",
  riskPolicy: {
    sizing: { method: "percent-of-equity", percent: "95" },
    maxOrderNotional: null,
    maxPositionNotional: null,
    signalValidityMs: null,
  },
  refreshIntervalMs: 1_000,
  stopPolicy: "keep",
  state: "RUNNING",
  stateReason: null,
  degraded: false,
  run: 1,
  version: 1,
  partition: 0,
  createdAtMs: 1,
  updatedAtMs: 1,
};

/** Writes what other services would have written: the instrument, the account and the session, which trades. */
export async function putSession({ db, bus }: World): Promise<void> {
  const { sql } = db;
  const session = { ...SESSION, partition: bus.partitionOf(SESSION.id) };
  await sql`insert into reference.instruments values (${spx.id}, ${spx.venue}, ${sql.json(spx as never)}, 1)`;
  await sql`insert into reference.accounts (id, venue, updated_at_ms) values (${session.accountId}, ${spx.venue}, 1)`;
  await sql`
    insert into reference.sessions
      (id, code, state, run, version, partition, account_id, session, created_at_ms, updated_at_ms)
    values (${session.id}, ${session.code}, ${session.state}, ${session.run}, ${session.version}, ${session.partition},
      ${session.accountId}, ${sql.json(session as never)}, 1, 1)`;
}

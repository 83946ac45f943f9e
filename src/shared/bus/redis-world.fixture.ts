import { Redis } from "ioredis";
import { pino } from "pino";
import { systemClock } from "#shared/clock/system.ts";
import type { Db } from "#shared/db/db.ts";
import { createPostgresDb } from "#shared/db/postgres.ts";
import { createTestDatabase, testRedis } from "#shared/db/test-database.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createMemoryLock } from "#shared/leader/memory.ts";
import { type Effect, LEASE_MS, type Member, SEAL, type World } from "./bus-world.fixture.ts";
import { createBus } from "./create-bus.ts";
import { createPostgresLogStore } from "./postgres-log-store.ts";
import { createRedisBroker } from "./redis-broker.ts";
import { sealBroker } from "./sealed-broker.ts";
import type { PoisonOptions } from "./unit-place.ts";

const log = pino({ level: import.meta.env["R3_TEST_LOG"] ?? "silent" });

/** What a member needs to be one of the Redis world's. */
interface Place {
  databaseUrl: string;
  redisUrl: string;
  prefix: string;
  incarnation: string;
  /** How long the server lets a member's transaction idle. */
  idleTimeoutMs: number;
}

function joinAt(place: Place, poison: Partial<PoisonOptions>): Member {
  const pool = createPostgresDb(place.databaseUrl, { maxConnections: 6, idleTimeoutMs: place.idleTimeoutMs });
  let dead = false;
  const db: Db = {
    ...pool,
    ping: () => (member.isMute ? Promise.reject(new Error("away")) : pool.ping()),
    async transaction(body, options) {
      await member.gate;
      return pool.transaction(body, options);
    },
  };
  const leader = createLeader({ db, lock: createMemoryLock(), clock: systemClock, log, leaseMs: LEASE_MS });
  const plain = createRedisBroker({ url: place.redisUrl, prefix: place.prefix, incarnation: place.incarnation });
  const redis = sealBroker(plain, SEAL, () => undefined);
  const broker: typeof redis = {
    ...redis,
    async push(entries) {
      if (member.onPush === undefined) await redis.push(entries);
      else await member.onPush(entries, (passed) => redis.push(passed));
    },
  };
  const bus = createBus({
    db,
    logStore: createPostgresLogStore(db),
    broker,
    leader,
    clock: systemClock,
    log,
    instance: `m-${crypto.randomUUID().slice(0, 6)}`,
    partitions: 4,
    ...poison,
  });
  const member: Member = {
    bus,
    gate: undefined,
    isMute: false,
    onPush: undefined,
    async kill() {
      dead = true;
      await Promise.all([pool.close(), redis.close()]);
    },
    async close() {
      await bus.close();
      await leader.close();
      if (!dead) await pool.close();
    },
  };
  return member;
}

/** The log in Postgres, the broker in Redis, both real. */
export async function createRedisWorld(options: { idleTimeoutMs?: number; redisUrl?: string } = {}) {
  const database = await createTestDatabase();
  const redis = testRedis();
  const admin = new Redis(redis.url);
  const { db } = database;
  await db.sql`create table effects (
    id bigint generated always as identity, group_name text, key text, n integer, primary key (group_name, key, n))`;
  const logStore = createPostgresLogStore(db);
  const incarnation = await logStore.incarnation();
  const place: Place = {
    databaseUrl: database.url,
    redisUrl: options.redisUrl ?? redis.url,
    prefix: redis.prefix,
    incarnation,
    idleTimeoutMs: options.idleTimeoutMs ?? 4_000,
  };
  const members: Member[] = [];
  const world: World = {
    db,
    logStore,
    join(poison = {}) {
      const member = joinAt(place, poison);
      members.push(member);
      return Promise.resolve(member);
    },
    loseStreams: () => redis.cleanup(),
    async loseGroup(group, topics) {
      for (const topic of topics) {
        for (let part = 0; part < 4; part += 1) {
          await admin.xgroup("DESTROY", keyOf(topic.name, part), group);
        }
      }
    },
    async note(tx, { group, key, n }) {
      await tx.sql`insert into effects (group_name, key, n) values (${group}, ${key}, ${n})`;
    },
    async runOn(tx) {
      await tx.sql`select pg_sleep(600)`;
    },
    async noted(group) {
      const rows = await db.sql<Effect[]>`
        select group_name as group, key, n from effects where group_name = ${group} order by id`;
      return [...rows];
    },
    async leave() {
      await Promise.all(members.splice(0).map((member) => member.close()));
    },
    async close() {
      await world.leave();
      admin.disconnect();
      await redis.cleanup();
      await database.drop();
    },
  };
  const keyOf = (topic: string, part: number): string => `${redis.prefix}:${incarnation}:{${topic}:${part}}`;
  return { ...world, redis: admin, keyOf };
}

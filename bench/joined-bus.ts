import { pino } from "pino";
import type { Bus } from "#shared/bus/bus.ts";
import { createBus } from "#shared/bus/create-bus.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import { sealBroker } from "#shared/bus/sealed-broker.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { systemClock } from "#shared/clock/system.ts";
import type { Db } from "#shared/db/db.ts";
import { createPostgresDb } from "#shared/db/postgres.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { readSeal } from "#shared/seal/seal.ts";

/** Where the engine's servers are. */
export interface EnginePlace {
  DATABASE_URL: string;
  REDIS_URL: string;
  R3_PREFIX: string;
}

/** The bus of a running engine, as a process of its own joins it. */
export interface JoinedBus {
  bus: Bus;
  db: Db;
  clock: Clock;
  close(): Promise<void>;
}

/** Joins the engine of these settings, whose tables are there. */
export async function joinBus(place: EnginePlace): Promise<JoinedBus> {
  const redis = { url: place.REDIS_URL, prefix: place.R3_PREFIX };
  const log = pino({ level: "silent" });
  const clock = systemClock;
  const db = createPostgresDb(place.DATABASE_URL, { maxConnections: 2 });
  const logStore = createPostgresLogStore(db);
  const plain = createRedisBroker({ ...redis, incarnation: await logStore.incarnation() });
  const broker = sealBroker(plain, await readSeal(db), () => undefined);
  const leader = createLeader({ db, lock: createRedlockLock(redis), clock, log, leaseMs: 5_000, holder: "bench" });
  const bus = createBus({ db, logStore, broker, leader, clock, log, instance: "bench" });
  return {
    bus,
    db,
    clock,
    async close() {
      await bus.close();
      await leader.close();
      await db.close();
    },
  };
}

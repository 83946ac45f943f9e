import { pino } from "pino";
import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import { createBus } from "#shared/bus/create-bus.ts";
import { createPostgresLogStore } from "#shared/bus/postgres-log-store.ts";
import { createRedisBroker } from "#shared/bus/redis-broker.ts";
import { sealBroker } from "#shared/bus/sealed-broker.ts";
import { systemClock } from "#shared/clock/system.ts";
import { createPostgresDb } from "#shared/db/postgres.ts";
import { createLeader } from "#shared/leader/create-leader.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { readSeal } from "#shared/seal/seal.ts";

/** Raises alerts as a service of the engine does. */
export interface AlertSource {
  /** So many, of a scope each, ten in a transaction. */
  raise(count: number): Promise<void>;
  close(): Promise<void>;
}

const AT_ONCE = 10;
const KIND = {
  code: "BENCH",
  severity: "info",
  meaning: "A benchmark runs.",
  toDo: "Nothing.",
  ends: "condition",
} as const;

/** Joins the engine of these settings as a process of its own. */
export async function openAlertSource(settings: {
  DATABASE_URL: string;
  REDIS_URL: string;
  R3_PREFIX: string;
}): Promise<AlertSource> {
  const redis = { url: settings.REDIS_URL, prefix: settings.R3_PREFIX };
  const log = pino({ level: "silent" });
  const clock = systemClock;
  const db = createPostgresDb(settings.DATABASE_URL, { maxConnections: 2 });
  const logStore = createPostgresLogStore(db);
  const plain = createRedisBroker({ ...redis, incarnation: await logStore.incarnation() });
  const broker = sealBroker(plain, await readSeal(db), () => undefined);
  const leader = createLeader({ db, lock: createRedlockLock(redis), clock, log, leaseMs: 5_000, holder: "bench" });
  const bus = createBus({ db, logStore, broker, leader, clock, log, instance: "bench" });
  let raised = 0;
  return {
    async raise(count) {
      for (let left = count; left > 0; left -= AT_ONCE)
        await db.transaction(async (tx) => {
          for (let n = Math.min(left, AT_ONCE); n > 0; n -= 1) {
            const scope = `topic:${(raised += 1)}`;
            await raiseAlert(tx, { bus, clock }, { scope, kind: KIND, text: "So.", data: {} });
          }
        });
    },
    async close() {
      await bus.close();
      await leader.close();
      await db.close();
    },
  };
}

import { AppError } from "#shared/errors/app-error.ts";
import { brokerError, connect, usable } from "./redis-connection.ts";
import type { ServerMemory } from "./server-memory.ts";

const DEADLINE_MS = 1_000;
const KEPT_MS = 10_000;

/** Whether Redis takes what the engine gives it. */
export interface RedisWrites {
  /** Writes a key that goes by itself. Throws BROKER_UNAVAILABLE (outage): away, full (`maxmemory`), or read-only. */
  prove(): Promise<void>;
  /** Throws SETTINGS_INVALID where a full Redis would make room by forgetting events and wake-ups. */
  refuseEviction(): Promise<void>;
  /** How full it is, against its `maxmemory`. */
  memory(): Promise<ServerMemory>;
  close(): Promise<void>;
}

/** Asks over a connection of its own, so that nothing waits behind a question. */
export function createRedisWrites({ url, prefix }: { url: string; prefix: string }): RedisWrites {
  // Where it reads its file the client would only wait: here it has to say so.
  const redis = connect(url, DEADLINE_MS, { enableReadyCheck: false });
  const ask = async <Answer>(question: () => Promise<Answer>): Promise<Answer> => {
    await usable(redis, DEADLINE_MS);
    return await question().catch((error: unknown) => {
      throw brokerError(error);
    });
  };
  return {
    async prove() {
      await ask(() => redis.set(`${prefix}:writable`, "1", "PX", KEPT_MS));
    },
    async refuseEviction() {
      const memory = await ask(() => redis.info("memory"));
      const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? "noeviction";
      if (policy === "noeviction") return;
      const told = `forgets events and wake-ups when it is full (maxmemory-policy ${policy}): set maxmemory-policy to noeviction.`;
      const cause = new Error(`it ${told}`);
      const text = `Redis, which REDIS_URL names, ${told}`;
      throw new AppError("SETTINGS_INVALID", "permanent", text, { cause, details: { policy } });
    },
    async memory() {
      const memory = await ask(() => redis.info("memory"));
      const of = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(memory)?.[1] ?? 0);
      return { usedBytes: of("used_memory"), mostBytes: of("maxmemory") || of("total_system_memory") };
    },
    close() {
      redis.disconnect();
      return Promise.resolve();
    },
  };
}

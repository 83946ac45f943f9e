import { type Logger, pino } from "pino";
import { z } from "zod";
import { systemClock } from "#shared/clock/system.ts";
import { createPostgresDb } from "#shared/db/postgres.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import { createBullmqWakeups } from "./bullmq.ts";
import { createMemoryWakeups } from "./memory.ts";
import type { TaskQueue, TaskType, Wakeups } from "./queue.ts";
import { createTaskQueue, type TaskQueueOptions } from "./task-queue.ts";

export const LEASE_MS = 600;
const SWEEP_MS = 100;

export const log: Logger = pino({ level: "silent" });

export type NumberTask = TaskType<z.ZodObject<{ n: z.ZodNumber }>>;

/** A queue of a test's own. */
export function numberTask(queue: string, onDead: "block" | "skip" = "block"): NumberTask {
  return { queue, type: "number", lane: "a lane of the test", payload: z.object({ n: z.number() }), onDead };
}

/** Wake-ups that are all lost, and that count them. */
export function deafWakeups(): Wakeups & { woken: string[] } {
  const memory = createMemoryWakeups();
  const woken: string[] = [];
  return {
    woken,
    wake: (_queue, lane) => void woken.push(lane),
    listen: (queue, concurrency, run) => memory.listen(queue, concurrency, run),
    reset: (queue) => memory.reset(queue),
    ping: () => memory.ping(),
    close: () => memory.close(),
  };
}

export interface QueueFixture {
  database: TestDatabase;
  redis: TestRedis;
  /** A queue as another process would have it: a database pool and wake-ups of its own. */
  process(wakeups?: Wakeups, sweepMs?: number, over?: Partial<TaskQueueOptions>): TaskQueue;
  bullmq(): Wakeups;
  enqueue(queue: TaskQueue, task: NumberTask, lane: string, ...numbers: number[]): Promise<string[]>;
  openTasks(task: NumberTask): Promise<number>;
  close(): Promise<void>;
}

export async function createQueueFixture(): Promise<QueueFixture> {
  const database = await createTestDatabase();
  const redis = testRedis();
  const closing: (() => Promise<void>)[] = [];
  const bullmq = () => createBullmqWakeups({ url: redis.url, prefix: redis.prefix });
  return {
    database,
    redis,
    bullmq,
    process(wakeups = bullmq(), sweepMs = SWEEP_MS, over = {}) {
      const db = createPostgresDb(database.url, { maxConnections: 5 });
      const queue = createTaskQueue({ db, wakeups, clock: systemClock, log, leaseMs: LEASE_MS, sweepMs, ...over });
      closing.push(async () => {
        await queue.close();
        await db.close();
      });
      return queue;
    },
    enqueue: (queue, task, lane, ...numbers) =>
      database.db.transaction((tx) =>
        Promise.all(numbers.map((n) => queue.enqueue(tx, { task, lane, payload: { n } }))),
      ),
    async openTasks(task) {
      const rows = await database.db.sql`select 1 from queue.tasks where queue = ${task.queue} and state = 'open'`;
      return rows.length;
    },
    async close() {
      await Promise.all(closing.map((close) => close()));
      await redis.cleanup();
      await database.drop();
    },
  };
}

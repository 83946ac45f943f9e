import { afterAll, afterEach, beforeAll, beforeEach, expect } from "bun:test";
import type { Cache } from "#shared/cache/cache.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import { FakeVenue, type Replica, startReplica } from "./market-data.fixture.ts";

/** What each test of a file has for itself. */
export interface ReplicasOfTest {
  /** Empty. */
  readonly database: TestDatabase;
  readonly venue: FakeVenue;
  /** Starts one more replica over them; it is stopped after the test, where that has not done it. */
  start(settings?: Record<string, string>, more?: { cache?: Cache }): Promise<Replica>;
  /** Redis forgets all that the replicas have there. */
  loseKeys(): Promise<void>;
}

/** Makes a database for a file, and empties it before each of its tests; each has a venue and a Redis of its own. */
export function replicasOfEachTest(): ReplicasOfTest {
  let database: TestDatabase | undefined;
  let redis: TestRedis | undefined;
  let venue = new FakeVenue();
  const replicas = new Set<Replica>();
  const at: ReplicasOfTest = {
    get database() {
      return database ?? expect.unreachable();
    },
    get venue() {
      return venue;
    },
    async start(settings = {}, more = {}) {
      const replica = await startReplica({
        database: at.database,
        redis: redis ?? expect.unreachable(),
        venue,
        settings,
        ...more,
      });
      const own: Replica = {
        ...replica,
        async stop() {
          if (replicas.delete(own)) await replica.stop();
        },
      };
      replicas.add(own);
      return own;
    },
    loseKeys: () => (redis ?? expect.unreachable()).cleanup(),
  };
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  beforeEach(async () => {
    redis = testRedis();
    venue = new FakeVenue();
    await at.database.db
      .sql`truncate reference.instruments, reference.sessions, market_data.series, market_data.candles, market_data.backfills,
      queue.tasks, queue.lanes, alerts.open`;
  });
  afterEach(async () => {
    await Promise.all([...replicas].map((replica) => replica.stop()));
    await redis?.cleanup();
  });
  afterAll(() => database?.drop());
  return at;
}

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { pino } from "pino";
import { createManualClock } from "#shared/clock/manual.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { createPostgresDb } from "#shared/db/postgres.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import { hasCode, messageOf } from "#shared/errors/app-error.ts";
import { createLeader } from "./create-leader.ts";
import type { AdvisoryLock, Leader, Leadership } from "./leader.ts";
import { createMemoryLock, type MemoryLocks } from "./memory.ts";
import { createRedlockLock } from "./redlock.ts";

const log = pino({ level: "silent" });
/** Extended each third of it, given up at four fifths: what lies between is more than a busy machine stalls. */
const LEASE_MS = 1_500;
/** Runs out in no test. */
const LONG_LEASE_MS = 120_000;
let database: TestDatabase;
let redis: TestRedis;
const leaders: Leader[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  redis = testRedis();
});
afterAll(async () => {
  for (const leader of leaders) await leader.close();
  await redis.cleanup();
  await database.drop();
});

function contender(lock: AdvisoryLock, leaseMs = LEASE_MS): Leader {
  const leader = createLeader({ db: database.db, lock, clock: systemClock, log, leaseMs, retryMs: 50 });
  leaders.push(leader);
  return leader;
}

/** Resolves when the Postgres clock has passed the leases as they are now. */
async function leasesRunOut(roles: string[]): Promise<void> {
  const { sql } = database.db;
  const [row] = await sql<{ end: string }[]>`
    select max(lease_until)::text as end from leadership.leases where role = any(${roles}::text[])`;
  await until(async () => (await sql`select 1 where clock_timestamp() > ${row?.end ?? ""}::timestamptz`).length > 0);
}

/** A leader of a process that has died: it never extends, and its lock stays. */
async function dead(lock: AdvisoryLock, role: string): Promise<number> {
  const frozen = { ...systemClock, sleep: () => new Promise<void>(() => undefined) };
  const leader = createLeader({ db: database.db, lock, clock: frozen, log, leaseMs: LEASE_MS });
  const leadership = await leader.tryLead(role);
  if (leadership === null) throw new Error("The role was not free.");
  return leadership.epoch;
}

const locks: MemoryLocks = new Map();
const awayUrl = "redis://127.0.0.1:1";
const makers: [string, () => AdvisoryLock][] = [
  ["redlock", () => createRedlockLock({ url: redis.url, prefix: redis.prefix })],
  ["memory", () => createMemoryLock(locks)],
  ["redlock with Redis away", () => createRedlockLock({ url: awayUrl, prefix: redis.prefix })],
];

describe.each(makers)("leader over %s", (name, makeLock) => {
  const role = (text: string) => `${name}:${text}`;

  test("one of many contenders leads, and keeps leading past its lease", async () => {
    const contenders = Array.from({ length: 5 }, () => contender(makeLock()));
    const tries = await Promise.all(contenders.map((leader) => leader.tryLead(role("one"))));
    const won = tries.filter((leadership): leadership is Leadership => leadership !== null);
    expect(won).toHaveLength(1);
    expect(won[0]?.epoch).toBe(1);
    await leasesRunOut([role("one")]);
    expect(won[0]?.signal.aborted).toBe(false);
    for (const leader of contenders) expect(await leader.tryLead(role("one"))).toBeNull();
  });

  test("a dead leader's role is taken over after its lease with a higher epoch, and the old epoch is fenced", async () => {
    const epoch = await dead(makeLock(), role("dead"));
    const heir = contender(makeLock());
    expect(await heir.tryLead(role("dead"))).toBeNull();
    const taken = await until(() => heir.tryLead(role("dead")));
    expect(taken.epoch).toBe(epoch + 1);
    const late = database.db.transaction((tx) => heir.fence(tx, role("dead"), epoch));
    expect(hasCode(await late.catch((error: unknown) => error), "FENCED")).toBe(true);
    await database.db.transaction((tx) => heir.fence(tx, role("dead"), taken.epoch));
  });

  test("a released role changes hands at once", async () => {
    const first = await contender(makeLock(), LONG_LEASE_MS).tryLead(role("released"));
    const heir = contender(makeLock(), LONG_LEASE_MS);
    expect(await heir.tryLead(role("released"))).toBeNull();
    await first?.release();
    expect(first?.signal.aborted).toBe(true);
    // Not its lease that ran out: a retry may be needed, and that is soon over.
    const taken = await until(() => heir.tryLead(role("released")));
    expect(taken.epoch).toBe(2);
  });

  test("many roles are held by one process", async () => {
    const leader = contender(makeLock());
    const roles = Array.from({ length: 60 }, (_, n) => role(`many:${n}`));
    const held = await Promise.all(roles.map((each) => leader.tryLead(each)));
    expect(held.every((leadership) => leadership !== null)).toBe(true);
    await leasesRunOut(roles);
    expect(held.filter((leadership) => leadership?.signal.aborted)).toHaveLength(0);
  });
});

describe("a lock that somebody else wrote into Redis", () => {
  const GARBAGE: [string, (key: string) => Promise<unknown>][] = [
    ["a text", (key) => admin.set(key, "forged")],
    ["a hash", (key) => admin.multi().del(key).hset(key, "forged", "1").exec()],
  ];
  let admin: Redis;
  beforeAll(() => {
    admin = new Redis(redis.url);
  });
  afterAll(() => admin.disconnect());

  test.each(GARBAGE)(
    "%s without an end keeps no role unled, and is gone before its next change of hands",
    async (what, forge) => {
      const role = `forged ${what}`;
      const key = `${redis.prefix}:lock:${role}`;
      await forge(key);
      const first = contender(createRedlockLock(redis));
      expect(await first.tryLead(role)).toBeNull();
      const taken = await until(() => first.tryLead(role));
      expect(taken.epoch).toBe(1);
      await until(async () => (await admin.pttl(key)) > 0);
      await taken.release();
      const heir = contender(createRedlockLock(redis));
      expect((await until(() => heir.tryLead(role))).epoch).toBe(2);
      // Its own lock is trusted no more.
      await forge(key);
      await until(async () => (await admin.pttl(key)) > 0);
    },
  );
});

describe("leader", () => {
  test("a role that is free and cannot be taken is told, until it is", async () => {
    const leader = contender(createMemoryLock());
    const refuse = () => Promise.reject(new Error("no"));
    await until(async () => {
      await leader.tryLead("refused", refuse).catch(() => null);
      return leader.unled().length > 0;
    });
    expect(leader.unled()).toEqual(["refused"]);
    expect(await leader.tryLead("refused")).not.toBeNull();
    expect(leader.unled()).toEqual([]);
  });

  test("the hook of a takeover that throws leaves lease and epoch as they were", async () => {
    const leader = contender(createMemoryLock());
    const failed = leader.tryLead("hook", async () => {
      throw new Error("no");
    });
    expect(await failed.catch(messageOf)).toBe("no");
    const rows = await database.db.sql`select 1 from leadership.epochs where role = 'hook'`;
    expect(rows).toHaveLength(0);
    expect((await leader.tryLead("hook"))?.epoch).toBe(1);
  });

  test("a takeover waits for the write in flight of the old leader", async () => {
    const epoch = await dead(createMemoryLock(), "in-flight");
    const heir = contender(createMemoryLock());
    const order: string[] = [];
    const holds = Promise.withResolvers<void>();
    const write = database.db.transaction(async (tx) => {
      await heir.fence(tx, "in-flight", epoch);
      holds.resolve();
      await tx.sql`select pg_sleep(${(LEASE_MS * 1.5) / 1000})`;
      order.push("written");
    });
    await holds.promise;
    await until(() => heir.tryLead("in-flight"));
    order.push("taken");
    await write;
    expect(order).toEqual(["written", "taken"]);
  });

  test("writers that hold the epoch do not delay the extension", async () => {
    const leader = contender(createMemoryLock());
    const leadership = await leader.tryLead("busy");
    if (leadership === null) throw new Error("The role was not free.");
    await database.db.transaction(async (tx) => {
      await leader.fence(tx, "busy", leadership.epoch);
      await tx.sql`select pg_sleep(${(LEASE_MS * 2) / 1000})`;
    });
    expect(leadership.signal.aborted).toBe(false);
  });

  test("a leader cut off from the database steps down before its lease is over", async () => {
    const db = createPostgresDb(database.url);
    const clock = createManualClock();
    const leader = createLeader({ db, lock: createMemoryLock(), clock, log, leaseMs: LEASE_MS });
    leaders.push(leader);
    const leadership = await leader.tryLead("cut-off");
    if (leadership === null) throw new Error("The role was not free.");
    await db.close();
    await clock.advance(LEASE_MS * 0.7);
    expect(leadership.signal.aborted).toBe(false);
    await clock.advance(LEASE_MS * 0.3 - 1);
    expect(leadership.signal.aborted).toBe(true);
  });
});

describe("lead", () => {
  test("lead leads again after a loss, and drains before it gives the role up", async () => {
    const leader = contender(createMemoryLock());
    const stopping = new AbortController();
    const epochs: number[] = [];
    let drained = false;
    const leading = leader.lead("again", stopping.signal, async ({ epoch, signal }) => {
      epochs.push(epoch);
      if (epochs.length === 1) throw new Error("a first failure");
      await systemClock.sleep(60_000, signal);
      drained = (await contender(createMemoryLock()).tryLead("again")) === null;
    });
    await until(async () => epochs.length === 2);
    stopping.abort();
    await leading;
    expect(epochs).toEqual([1, 2]);
    expect(drained).toBe(true);
    expect(await contender(createMemoryLock()).tryLead("again")).not.toBeNull();
  });
});

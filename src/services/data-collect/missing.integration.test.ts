import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Bus, EventOf } from "#shared/bus/bus.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import { SESSION_REPORTS } from "#shared/messages/topics.ts";
import { keepReports, listen, type Replica, startReplica } from "./data-collect.fixture.ts";
import { MADE_UP, startVenueProcess, type VenueProcess } from "./venue-process.fixture.ts";

/** The real connector at the simulated venue, which misbehaves. */

const SETTINGS = { R3_DATA_COLLECT_STALE_AFTER_MS: "1000", R3_DATA_COLLECT_INSTRUMENTS_AGE_MS: "1000" };
let database: TestDatabase;
let redis: TestRedis;
let venue: VenueProcess;
let running: { replica: Replica; exchanges: Exchanges } | null = null;

async function start(settings = SETTINGS, clock: Clock = systemClock): Promise<Replica> {
  const exchanges = venue.connect(clock);
  const replica = await startReplica(database, redis, exchanges, { settings, clock });
  running = { replica, exchanges };
  return replica;
}

async function stop(): Promise<void> {
  await running?.replica.stop();
  await running?.exchanges.close();
  running = null;
}

/** What is told of sessions from now on, in order. */
async function tellings(bus: Bus): Promise<string[]> {
  const told: string[] = [];
  const handle = (events: readonly EventOf<typeof SESSION_REPORTS>[]): void => {
    for (const { type, data } of events) if ("code" in data) told.push(`${type} ${data.code}`);
  };
  await bus.tail({ topic: SESSION_REPORTS, from: "now", handle }).ready;
  return told;
}

/** Resolves once the venue has sent a frame of a bar that opened then or later. */
async function frameSent(fromMs: number): Promise<void> {
  const exchanges = venue.connect();
  const sent = new AbortController();
  const market = exchanges.marketData("paper");
  const [instrument = expect.unreachable()] = await market.instruments();
  await market.followBars({
    instrument,
    timeFrame: "1s",
    signal: sent.signal,
    onBar: ({ openAtMs }) => {
      if (openAtMs >= fromMs) sent.abort();
    },
    onAlive: () => undefined,
    onConnected: () => undefined,
  });
  await exchanges.close();
}

beforeAll(async () => {
  database = await createTestDatabase();
  venue = await startVenueProcess();
});
beforeEach(async () => {
  redis = testRedis();
  await database.db.sql`truncate reference.sessions, data_collect.feeds, alerts.open`;
});
afterEach(async () => {
  await stop();
  await venue.misbehave();
  await redis.cleanup();
});
afterAll(async () => {
  await venue.stop();
  await database.drop();
});

describe("a session whose venue", () => {
  test("sends no bars for a while, and answers pings, is told of it (FEED_STALE), until they come again", async () => {
    const { bus } = await start();
    const missing = await keepReports(database, bus, MADE_UP);
    const heard = await listen(bus);
    await until(() => heard.bars.length > 2 && missing().length === 0);
    await venue.misbehave({ fault: "stream-silent", kind: "market" });
    await until(() => missing().includes("FEED_STALE"));
    // What the venue's list has goes out meanwhile.
    const bars = heard.bars.length;
    await until(() => heard.bars.length > bars);
    await venue.misbehave();
    await until(() => missing().length === 0);
  }, 60_000);

  test.each([3_000, -3_000])(
    "has a clock %i ms off this machine's runs without nothing",
    async (offMs) => {
      const clock = { ...systemClock, nowMs: () => systemClock.nowMs() - offMs };
      // Less than the clock is off, and more than a busy machine stands.
      const { bus } = await start({ ...SETTINGS, R3_DATA_COLLECT_STALE_AFTER_MS: "2500" }, clock);
      const missing = await keepReports(database, bus, MADE_UP);
      const told = await tellings(bus);
      const heard = await listen(bus);
      await until(() => heard.bars.length > 0);
      const first = heard.bars[0]?.openAtMs ?? 0;
      await until(() => (heard.bars.at(-1)?.openAtMs ?? 0) >= first + 6_000);
      expect(told).toEqual([]);
      // What the venue keeps back is noticed all the same.
      await venue.misbehave({ fault: "stream-silent", kind: "market" }, { fault: "answer-5xx", what: "GET klines" });
      await until(() => missing().includes("FEED_STALE"));
    },
    60_000,
  );

  test("never acknowledges the subscription is told of it (FEED_STALE), until it does", async () => {
    await venue.misbehave({ fault: "subscription-unanswered", kind: "market" });
    const { bus } = await start();
    const missing = await keepReports(database, bus, MADE_UP);
    await until(() => missing().includes("FEED_STALE"));
    await venue.misbehave();
    await until(() => missing().length === 0, 30_000);
  }, 60_000);

  test("does not tell its bars, and sends frames, is told of it (FEED_STALE) once, until bars go out again", async () => {
    const { bus } = await start();
    const missing = await keepReports(database, bus, MADE_UP);
    const told = await tellings(bus);
    const heard = await listen(bus);
    await until(() => heard.bars.length > 2 && missing().length === 0);
    await venue.misbehave({ fault: "answer-5xx", what: "GET klines" }, { fault: "bar-dropped", times: 1 });
    await until(() => missing().includes("FEED_STALE"));
    const newest = () => heard.bars.at(-1)?.openAtMs ?? 0;
    const before = newest();
    // Frames that would end it, if one did.
    await frameSent(before + 6_000);
    expect([newest(), missing()]).toEqual([before, ["FEED_STALE"]]);
    await venue.misbehave();
    await until(() => missing().length === 0, 30_000);
    expect(newest()).toBeGreaterThan(before);
    expect(told).toEqual(["report.degraded FEED_STALE", "report.restored FEED_STALE"]);
  }, 60_000);

  test("does not tell what it trades, from before the start on, is told of it (FEED_STALE), until bars go out", async () => {
    await venue.misbehave({ fault: "answer-5xx", what: "GET exchangeInfo" });
    const { bus } = await start();
    const heard = await listen(bus);
    const missing = await keepReports(database, bus, MADE_UP);
    await until(() => missing().includes("FEED_STALE"));
    expect(heard.bars).toEqual([]);
    await venue.misbehave();
    await until(() => missing().length === 0, 30_000);
    expect(heard.bars.length).toBeGreaterThan(0);
  }, 60_000);

  test("sends no frame of a closed bar that can be read is told of it (FEED_STALE) once", async () => {
    const { bus } = await start({ ...SETTINGS, R3_DATA_COLLECT_STALE_AFTER_MS: "2000" });
    const missing = await keepReports(database, bus, MADE_UP);
    const told = await tellings(bus);
    const heard = await listen(bus);
    await until(() => heard.bars.length > 2 && missing().length === 0);
    // On a slow machine the first bar was late too.
    told.splice(0);
    await venue.misbehave({ fault: "bar-corrupted" });
    await until(() => missing().includes("FEED_STALE"));
    const openings = () => new Set(heard.bars.map(({ openAtMs }) => openAtMs)).size;
    const before = openings();
    // They go out all the same, late.
    await until(() => openings() > before + 6, 30_000);
    expect(told).toEqual(["report.degraded FEED_STALE"]);
    await venue.misbehave();
    await until(() => missing().length === 0);
  }, 60_000);

  test.each([
    ["has halted the instrument", "halted", "INSTRUMENT_HALTED"],
    ["has delisted the instrument", "delisted", "INSTRUMENT_GONE"],
  ])(
    "%s is told of it, also by a process that starts afterwards, until it trades again",
    async (_name, fault, code) => {
      const first = await start();
      const missing = await keepReports(database, first.bus, MADE_UP);
      const before = await listen(first.bus);
      await until(() => before.bars.length > 0 && missing().length === 0);
      await venue.misbehave({ fault });
      await until(() => missing().includes(code));
      await stop();
      const { bus } = await start();
      // Its row as of a session that begins now.
      const afterwards = await keepReports(database, bus, MADE_UP);
      await until(() => afterwards().includes(code));
      await venue.misbehave();
      await until(() => afterwards().length === 0, 30_000);
      const heard = await listen(bus);
      await until(() => heard.bars.length > 0, 30_000);
    },
    90_000,
  );
});

describe("a bar is not missing", () => {
  test.each([
    ["whose frame is not sent", [{ fault: "bar-dropped", times: 2 }]],
    ["whose frame is corrupted", [{ fault: "bar-corrupted", times: 2 }]],
    [
      "that closed while the stream was away, where REST lacks the newest bars for 3 s",
      [
        { fault: "bars-lag", lagMs: 3_000 },
        { fault: "disconnect", kind: "market" },
      ],
    ],
    [
      "where the subscription is acknowledged after the first frames",
      [
        { fault: "subscription-late", kind: "market", delayMs: 2_500 },
        { fault: "disconnect", kind: "market" },
      ],
    ],
  ])(
    "%s",
    async (_name, faults) => {
      // The next frame shows the hole, before its silence does.
      const { bus } = await start({ ...SETTINGS, R3_DATA_COLLECT_STALE_AFTER_MS: "10000" });
      await keepReports(database, bus, MADE_UP);
      const heard = await listen(bus);
      const openings = () => [...new Set(heard.bars.map(({ openAtMs }) => openAtMs))];
      await until(() => openings().length > 1);
      await venue.misbehave(...faults);
      await until(() => openings().length > 8, 30_000);
      const [first = 0] = openings();
      // In the order in which they went out.
      expect(openings()).toEqual(openings().map((_, index) => first + index * 1_000));
      for (const { openAtMs, prevOpenAtMs } of heard.bars) expect(prevOpenAtMs).toBe(openAtMs - 1_000);
    },
    60_000,
  );
});

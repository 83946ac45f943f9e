import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import type { Quote, VenueBar } from "#shared/domain/candle.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { MARKET_QUOTES } from "#shared/messages/topics.ts";
import {
  barOf,
  DAY_MS,
  FakeVenue,
  listen,
  MINUTE_MS,
  putSession,
  quoteOf,
  type Replica,
  startReplica,
  tradeOf,
} from "./data-collect.fixture.ts";

let database: TestDatabase;
let redis: TestRedis;
let venue: FakeVenue;
let replicas: Replica[] = [];

async function start(): Promise<Replica> {
  const replica = await startReplica(database, redis, venue);
  replicas.push(replica);
  return replica;
}

/** The bars as they were heard for the first time, by opening and link. */
function firsts(bars: readonly VenueBar[]): [number, number | null][] {
  const byOpening = new Map(bars.map((bar) => [bar.openAtMs, bar.prevOpenAtMs] as const).toReversed());
  return [...byOpening].toSorted(([a], [b]) => a - b);
}

beforeAll(async () => {
  database = await createTestDatabase();
});

beforeEach(async () => {
  redis = testRedis();
  venue = new FakeVenue();
  await database.db.sql`truncate reference.sessions, data_collect.feeds, alerts.open`;
});

afterEach(async () => {
  await Promise.all(replicas.map((replica) => replica.stop()));
  replicas = [];
  await redis.cleanup();
});

afterAll(async () => await database.drop());

describe("data-collect", () => {
  test("follows the bars of a session that runs, each linked to the one before, and repeats the newest", async () => {
    await putSession(database, "STARTING", "1m");
    await venue.close(barOf("1m", 0, 1));
    const { bus } = await start();
    const heard = await listen(bus);
    await until(() => venue.followers.size === 1);
    await venue.close(barOf("1m", MINUTE_MS, 2));
    await venue.close(barOf("1m", 7 * MINUTE_MS, 3));
    await until(() => heard.bars.filter(({ openAtMs }) => openAtMs === 7 * MINUTE_MS).length >= 3);
    expect(firsts(heard.bars).slice(-2)).toEqual([
      [MINUTE_MS, 0],
      [7 * MINUTE_MS, MINUTE_MS],
    ]);
    expect(heard.trades).toEqual([]);
  });

  test("closes what a lost connection hid before the next frame goes out, in order", async () => {
    await putSession(database, "RUNNING", "1m");
    await venue.close(barOf("1m", 0, 1));
    const { bus } = await start();
    const heard = await listen(bus);
    await until(() => heard.bars.length > 0);
    for (const n of [1, 2, 3]) await venue.close(barOf("1m", n * MINUTE_MS, n), { silent: true });
    venue.failures = 2;
    venue.reconnect();
    await venue.close(barOf("1m", 4 * MINUTE_MS, 4));
    await until(() => heard.bars.some(({ openAtMs }) => openAtMs === 4 * MINUTE_MS));
    const order = heard.bars.map(({ openAtMs }) => openAtMs / MINUTE_MS);
    expect([...new Set(order)]).toEqual([0, 1, 2, 3, 4]);
    expect(firsts(heard.bars).at(-1)).toEqual([4 * MINUTE_MS, 3 * MINUTE_MS]);
  });

  test("starts a feed again whose bars the venue refused to tell", async () => {
    await putSession(database, "RUNNING", "1m");
    const bars = venue.bars.bind(venue);
    let refusals = 0;
    venue.bars = async () => {
      refusals += 1;
      throw new AppError("VENUE_REFUSED", "permanent", "The venue refuses.");
    };
    const { bus } = await start();
    const heard = await listen(bus);
    await until(() => refusals >= 1 && venue.followers.size === 0);
    venue.bars = bars;
    await venue.close(barOf("1m", 0, 1));
    await until(() => heard.bars.length > 0);
    expect(venue.followers.size).toBe(1);
  }, 20_000);

  test.each([
    ["with a price of zero", barOf("1m", MINUTE_MS, 0)],
    ["with a volume that cannot be read", { ...barOf("1m", MINUTE_MS, 1), volume: "number 0.1" }],
  ])(
    "a bar %s does not stop its series: it is left out with an alert, the next one names the one before it",
    async (_what, refused) => {
      await putSession(database, "RUNNING", "1m");
      await venue.close(barOf("1m", 0, 1));
      const { bus, ask } = await start();
      const heard = await listen(bus);
      await until(() => heard.bars.length > 0);
      await venue.close(refused);
      await venue.close(barOf("1m", 2 * MINUTE_MS, 2));
      await until(() => heard.bars.some(({ openAtMs }) => openAtMs === 2 * MINUTE_MS));
      expect(firsts(heard.bars)).toEqual([
        [0, null],
        [2 * MINUTE_MS, 0],
      ]);
      const told = await ask(`/bars?instrumentId=${encodeURIComponent(spx.id)}&timeFrame=1m&fromMs=1`);
      expect(await told.json()).toMatchObject({ items: [{ openAtMs: 2 * MINUTE_MS, prevOpenAtMs: 0 }] });
      const alerts = () => database.db.sql<{ code: string; scope: string }[]>`select code, scope from alerts.open`;
      await until(async () => (await alerts()).length > 0);
      expect([...(await alerts())]).toEqual([{ code: "BAR_REFUSED", scope: `series:${spx.id}/1m` }]);
    },
  );

  test("that begins at a bar with a price of zero goes on with the next one", async () => {
    await putSession(database, "RUNNING", "1m");
    await venue.close(barOf("1m", 0, 0));
    const { bus } = await start();
    const heard = await listen(bus);
    await until(() => venue.followers.size === 1);
    await venue.close(barOf("1m", MINUTE_MS, 2));
    await until(() => heard.bars.length > 0, 4_000);
    expect(heard.bars[0]?.openAtMs).toBe(MINUTE_MS);
  });

  test("passes the failpoint with the number of the day's bar before it publishes", async () => {
    await putSession(database, "RUNNING", "1d");
    await venue.close(barOf("1d", 0, 1));
    await venue.close(barOf("1d", 3 * DAY_MS, 2));
    const { hits } = await start();
    await until(() => hits.length === 1);
    await venue.close(barOf("1d", 4 * DAY_MS, 3));
    await until(() => hits.length === 2);
    expect(hits).toEqual([{ bar: 2 }, { bar: 3 }]);
  });

  test("numbers the venue's first bar 1", async () => {
    await putSession(database, "RUNNING", "1d");
    const { hits } = await start();
    await until(() => venue.followers.size === 1);
    await venue.close(barOf("1d", 0, 1));
    await until(() => hits.length === 1);
    expect(hits).toEqual([{ bar: 1 }]);
  });

  test("follows trades only where they are asked for, and only while a session runs", async () => {
    const { bus, ask } = await start();
    const heard = await listen(bus);
    const asked = await ask("/feeds", { instrumentId: spx.id, kind: "trades" });
    expect(asked.status).toBe(200);
    await putSession(database, "RUNNING", "1m");
    await until(() => venue.followers.size === 2);
    venue.trade(tradeOf(1));
    await until(() => heard.trades.length === 1);
    venue.trade(tradeOf(2), { silent: true });
    venue.reconnect();
    await until(() => heard.trades.some(({ tradeId }) => tradeId === "2"));
    await putSession(database, "STOPPED", "1m");
    await until(() => venue.followers.size === 0);
  });

  test("follows quotes where they are asked for, and tells the one that stands again and again", async () => {
    await putSession(database, "RUNNING", "1m");
    const { bus, ask } = await start();
    const heard: Quote[] = [];
    const handle = (events: readonly { data: Quote }[]) => void heard.push(...events.map(({ data }) => data));
    await bus.tail({ topic: MARKET_QUOTES, from: "now", handle }).ready;
    expect((await ask("/feeds", { instrumentId: spx.id, kind: "quotes" })).status).toBe(200);
    await until(() => venue.quotesFollowed === 1);
    venue.quoteAt(quoteOf(10));
    await until(() => heard.length >= 3);
    expect(new Set(heard.map(({ bid }) => bid))).toEqual(new Set(["9"]));
  });

  test("makes bars that the venue does not make of its shorter ones, with one subscription for all that need them", async () => {
    venue.instruments = async () => [{ ...spx, timeFrames: ["1m"] }];
    await putSession(database, "RUNNING", "1m");
    for (let n = 0; n < 7; n += 1) await venue.close(barOf("1m", n * MINUTE_MS, n + 1));
    const { bus, ask } = await start();
    const heard = await listen(bus);
    for (const timeFrame of ["5m", "15m"]) {
      const feed = { instrumentId: spx.id, kind: "bars", timeFrame };
      expect((await ask("/feeds", feed)).status).toBe(200);
    }
    const of = (timeFrame: TimeFrame) => heard.bars.filter((bar) => bar.timeFrame === timeFrame);
    await until(() => of("5m").length > 0 && of("1m").length > 0);
    for (let n = 7; n < 20; n += 1) await venue.close(barOf("1m", n * MINUTE_MS, n + 1));
    await until(() => of("15m").length > 0 && of("5m").some(({ openAtMs }) => openAtMs === 15 * MINUTE_MS));
    expect(venue.followed).toBe(1);
    const fives = firsts(of("5m")).map(([at, before]) => [at / MINUTE_MS, before === null ? null : before / MINUTE_MS]);
    expect(fives).toEqual([
      [0, null],
      [5, 0],
      [10, 5],
      [15, 10],
    ]);
    expect(of("15m")[0]).toMatchObject({ openAtMs: 0, open: "1", high: "15", close: "15", volume: "15" });
    const told = await ask(`/bars?instrumentId=${encodeURIComponent(spx.id)}&timeFrame=5m&fromMs=0&limit=9`);
    const { items } = (await told.json()) as { items: VenueBar[] };
    expect(items.map(({ openAtMs, close }) => [openAtMs / MINUTE_MS, close])).toEqual([
      [0, "5"],
      [5, "10"],
      [10, "15"],
      [15, "20"],
    ]);
    expect((await ask(`/bars?instrumentId=${encodeURIComponent(spx.id)}&timeFrame=1s`)).status).toBe(422);
  });

  test("a second instance takes an instrument over and closes the hole", async () => {
    await putSession(database, "RUNNING", "1m");
    await venue.close(barOf("1m", 0, 1));
    const first = await start();
    const second = await start();
    const heard = await listen(second.bus);
    await until(() => heard.bars.length > 0, 20_000);
    await first.stop();
    replicas = [second];
    await venue.close(barOf("1m", MINUTE_MS, 2), { silent: true });
    await until(() => heard.bars.some(({ openAtMs }) => openAtMs === MINUTE_MS), 20_000);
    await venue.close(barOf("1m", 2 * MINUTE_MS, 3));
    await until(() => heard.bars.some(({ openAtMs }) => openAtMs === 2 * MINUTE_MS));
  }, 45_000);
});

describe("REST of data-collect", () => {
  test("tells bars and trades of the venue", async () => {
    for (const n of [0, 1, 2]) await venue.close(barOf("1m", n * MINUTE_MS, n + 1));
    for (const n of [1, 2, 3]) venue.trade(tradeOf(n));
    const { ask } = await start();
    const id = encodeURIComponent(spx.id);
    const bars = await ask(`/bars?instrumentId=${id}&timeFrame=1m&fromMs=60000&limit=1`);
    expect(await bars.json()).toMatchObject({ items: [{ openAtMs: MINUTE_MS, prevOpenAtMs: 0 }] });
    const before = await ask(`/bars?instrumentId=${id}&timeFrame=1m&toMs=120000&limit=1`);
    expect(await before.json()).toMatchObject({ items: [{ openAtMs: MINUTE_MS, prevOpenAtMs: 0 }] });
    const first = await ask(`/bars?instrumentId=${id}&timeFrame=1m&fromMs=0&limit=1`);
    expect(await first.json()).toMatchObject({ items: [{ openAtMs: 0, prevOpenAtMs: null }] });
    expect((await ask(`/bars?instrumentId=${id}&timeFrame=1m&fromMs=0&toMs=120000`)).status).toBe(422);
    const trades = await ask(`/trades?instrumentId=${id}&fromId=2`);
    expect(await trades.json()).toMatchObject({ items: [{ tradeId: "2" }, { tradeId: "3" }] });
    expect(await (await ask(`/trades?instrumentId=${id}&fromId=4`)).json()).toMatchObject({ items: [] });
    expect(await (await ask("/instruments?venue=paper")).json()).toEqual({ items: [spx] });
  });

  test("says what is wrong with a question", async () => {
    const { ask } = await start();
    expect((await ask("/bars?instrumentId=A/B.nowhere&timeFrame=1m")).status).toBe(404);
    const wrong = await ask(`/bars?instrumentId=${encodeURIComponent(spx.id)}&timeFrame=2m&limit=0`);
    expect(wrong.status).toBe(422);
    const { errors } = (await wrong.json()) as { errors: { field: string }[] };
    expect(errors.map(({ field }) => field)).toContainEqual(expect.stringMatching(/timeFrame$/));
    expect((await ask("/feeds", { instrumentId: spx.id, kind: "depth" })).status).toBe(422);
  });
});

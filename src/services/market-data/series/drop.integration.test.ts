import { expect, test } from "bun:test";
import { MINUTE_MS, type Replica, showBars } from "#services/market-data/market-data.fixture.ts";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { Store } from "#services/market-data/store.ts";
import { createMemoryCache } from "#shared/cache/memory.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { putSession } from "#shared/db/reference-rows.fixture.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { dropNewest } from "./drop-store.ts";

const at = replicasOfEachTest();
const PATH = `/series?instrumentId=${encodeURIComponent(spx.id)}&timeFrame=1m`;
const KEY = { instrumentId: spx.id, timeFrame: "1m" } as const;

async function drop({ routes }: Replica) {
  const answer = await routes(new Request(`http://localhost/api/market-data${PATH}`, { method: "DELETE" }));
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}
const closesOf = async ({ candles }: Replica) =>
  (await candles("fromN=1&limit=3")).map(({ n, close }) => `${n}:${close}`);

/** Closes the minutes [from, to) at this price. */
function bars(from: number, to: number, close: string): void {
  for (let minute = from; minute < to; minute += 1) at.venue.bar(minute, close);
}

test("a series that is dropped is gone with its candles, and one that is made anew begins with 1, in every replica and cache", async () => {
  const cache = createMemoryCache();
  const [one, two] = [await at.start({}, { cache }), await at.start({}, { cache })];
  bars(0, 5, "10");
  await one.ensure();
  expect(await closesOf(two)).toEqual(["1:10", "2:10", "3:10"]);
  expect(await drop(one)).toEqual({ status: 200, body: { removed: 5, left: 0 } });
  const NONE = `No series ${spx.id} 1m is kept: GET /api/market-data/series lists those that are, POST makes one.`;
  expect(await drop(two)).toMatchObject({ status: 404, body: { detail: NONE } });
  // Who owns it hears of a bar that nobody wants any more.
  await showBars(one.bus, at.venue.bar(5, "10"));
  at.venue.bars_ = [];
  bars(100, 104, "20");
  expect(await two.ensure()).toMatchObject({ firstN: 1, headN: 4, headOpenAtMs: 103 * MINUTE_MS });
  for (const replica of [one, two])
    await until(async () => (await closesOf(replica)).join() === ["1:20", "2:20", "3:20"].join());
  const bar = at.venue.bar(104, "21");
  await until(async () => {
    // As data-collect repeats it: its owner looks up once a second which series there are.
    await showBars(one.bus, bar);
    return (await one.candles("fromN=5"))[0]?.close === "21";
  });
});

test("a series that a session at work reads, or that a back-fill grows, is not dropped", async () => {
  const replica = await at.start();
  bars(0, 5, "10");
  await replica.ensure();
  const { sql } = at.database.db;
  const session = await putSession(sql, sessionOf({ state: "PAUSED", instrumentIds: [spx.id], timeFrame: "1m" }));
  expect(await drop(replica)).toMatchObject({
    status: 409,
    body: { detail: `A session at work reads the series ${spx.id} 1m: stop it first.` },
  });
  await putSession(sql, { ...session, state: "STOPPED" });
  await sql`
    insert into market_data.backfills (id, instrument_id, time_frame, count, begun_open_at_ms, begun_count, cursor_ms,
      oldest_open_at_ms, created_at_ms)
    values (${crypto.randomUUID()}, ${spx.id}, '1m', 9, 0, 5, 0, 0, 1)`;
  expect(await drop(replica)).toMatchObject({ status: 409 });
  await sql`update market_data.backfills set state = 'CANCELED'`;
  expect(await drop(replica)).toMatchObject({ status: 200, body: { left: 0 } });
});

test("each step of dropping leaves a whole series: what goes on instead takes the next numbers", async () => {
  const replica = await at.start();
  bars(0, 5, "10");
  await replica.ensure();
  const step = await at.database.db.transaction((tx) => dropNewest(tx, KEY, 2));
  expect(step).toEqual({ refused: null, removed: 2, left: 3 });
  expect(await new Store(at.database.db).series(spx.id, "1m")).toMatchObject({ headN: 3, headOpenAtMs: 2 * MINUTE_MS });
  await showBars(replica.bus, at.venue.bar(5, "11"));
  await until(async () => (await replica.candles("fromN=1")).length === 6);
  expect((await replica.candles("fromN=1")).map(({ n, openAtMs }) => [n, openAtMs / MINUTE_MS])).toEqual(
    [1, 2, 3, 4, 5, 6].map((n) => [n, n - 1]),
  );
});

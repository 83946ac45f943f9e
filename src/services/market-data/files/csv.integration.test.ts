import { describe, expect, test } from "bun:test";
import { memoryUsage } from "node:process";
import { pino } from "pino";
import { InstrumentTable } from "#services/market-data/instrument-table.ts";
import { MINUTE_MS, type Replica } from "#services/market-data/market-data.fixture.ts";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { KeptSeries } from "#services/market-data/series/kept-series.ts";
import { numbered, numberedBefore, type Series } from "#services/market-data/series/series.ts";
import { Store } from "#services/market-data/store.ts";
import { readBarRows } from "#shared/candles/bar-rows.ts";
import { systemClock } from "#shared/clock/system.ts";
import { KeyedLock } from "#shared/concurrency/keyed-lock.ts";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { type BarsFile, importCandles, MOST_BARS } from "./import-candles.ts";
import { slowestMeanwhile } from "./slowest-meanwhile.fixture.ts";

const at = replicasOfEachTest();
const PATH = `/candles/csv?instrumentId=${encodeURIComponent(spx.id)}&timeFrame=1m`;
const HEADER = "date,open,high,low,close,volume";

/** A line of the minute, with the amounts of the fake venue's bars. */
const line = (minute: number, close = "10", volume = "3.25") =>
  [new Date(minute * MINUTE_MS).toISOString(), "10", "12.5", "9.5", close, volume].join();
const file = (...lines: string[]) => [HEADER, ...lines].join("\n");

async function send({ routes }: Replica, csv: string, { query = "", type = "text/csv" } = {}) {
  const request = new Request(`http://localhost/api/market-data${PATH}${query}`, {
    method: "POST",
    body: csv,
    headers: { "content-type": type },
  });
  const answer = await routes(request);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const exported = async ({ ask }: Replica, query = "") => (await ask(`${PATH}${query}`)).text();
const stored = async () => {
  const rows = await at.database.db.sql<{ n: number; open_at_ms: number }[]>`
    select n, open_at_ms from market_data.candles order by n`;
  return rows.map(({ n, open_at_ms: openAtMs }) => [n, openAtMs / MINUTE_MS]);
};

describe("candles as files", () => {
  test("are imported into a new series, and exported as they were", async () => {
    const replica = await at.start();
    expect(await send(replica, file(line(3), line(4, "11"), line(6)))).toEqual({
      status: 200,
      body: { earlier: 0, later: 3, same: 0, withoutTrade: 0, firstN: 1, headN: 3 },
    });
    const lines = [`${HEADER},n`, `${line(3)},1`, `${line(4, "11")},2`, `${line(6)},3`, ""];
    expect(await exported(replica)).toBe(lines.join("\n"));
    expect(await exported(replica, "&fromN=2&toN=2")).toBe([`${HEADER},n`, `${line(4, "11")},2`, ""].join("\n"));
    // What was exported is kept already.
    expect(await send(replica, await exported(replica))).toMatchObject({ body: { same: 3, later: 0, earlier: 0 } });
  });

  test.each(["csv", "parquet"])("as %s are refused of no series, and from behind their end", async (form) => {
    const { ask, ensure } = await at.start();
    const path = PATH.replace("csv", form);
    const sentence = `No series ${spx.id} 1m is kept: GET /api/market-data/series lists those that are, POST makes one.`;
    expect(await (await ask(path)).json()).toMatchObject({ status: 404, detail: sentence });
    await ensure();
    const errors = [{ field: "query.toN", message: "must not be below fromN" }];
    expect(await (await ask(`${path}&fromN=5&toN=4`)).json()).toMatchObject({ status: 422, errors });
    expect((await ask(`${path}&fromN=5&toN=5`)).status).toBe(200);
  });

  test("grow a series at both ends, and live bars go on behind them", async () => {
    for (const minute of [10, 11]) at.venue.bar(minute, "10");
    const replica = await at.start();
    await replica.ensure();
    expect(await send(replica, file(line(7), line(8), line(10), line(12)))).toMatchObject({
      body: { earlier: 2, later: 1, same: 1, firstN: -1, headN: 3 },
    });
    at.venue.bar(12, "10");
    at.venue.bar(13, "10");
    expect(await replica.ensure()).toMatchObject({ firstN: -1, headN: 4 });
    expect(await stored()).toEqual([
      [-1, 7],
      [0, 8],
      [1, 10],
      [2, 11],
      [3, 12],
      [4, 13],
    ]);
  });

  test("leave no hole at an end of a series, which nobody could close", async () => {
    for (const minute of [10, 11]) at.venue.bar(minute, "10");
    const replica = await at.start();
    await replica.ensure();
    const before = await stored();
    const refused = await send(replica, file(line(4), line(5), line(14)));
    const CLOSED = "where the market was closed between, the file holds that candle's line too";
    expect(refused).toMatchObject({
      status: 422,
      body: {
        errors: [
          {
            field: "line 3",
            message: `it leaves 4 bars out before the first candle, which opened at 1970-01-01T00:10:00.000Z, for good: send the newest part first; ${CLOSED}`,
          },
          {
            field: "line 4",
            message: `it leaves 2 bars out behind the newest candle, which opened at 1970-01-01T00:11:00.000Z, for good: send the oldest part first; ${CLOSED}`,
          },
        ],
      },
    });
    expect(await stored()).toEqual(before);
    // The year before a kept series, in parts.
    expect(await send(replica, file(line(8), line(9)))).toMatchObject({ body: { earlier: 2, later: 0 } });
    expect(await send(replica, file(line(4), line(5)))).toMatchObject({ status: 422 });
    expect(await send(replica, file(line(4), line(5), line(8)))).toMatchObject({ body: { earlier: 2, same: 1 } });
    expect(await send(replica, file(line(11), line(14)))).toMatchObject({ body: { later: 1, same: 1 } });
    expect((await stored()).map(([, minute]) => minute)).toEqual([4, 5, 8, 9, 10, 11, 14]);
  });

  test("are so many at most, and a file that holds more is sent in parts", async () => {
    const replica = await at.start();
    const lines = Array.from({ length: MOST_BARS + 1 }, (_, minute) => line(minute));
    const refused = await send(replica, file(...lines));
    expect(refused).toMatchObject({
      status: 422,
      body: { detail: "The file cannot be taken: it holds more than 50000 bars, and has to be sent in parts." },
    });
    expect(await stored()).toEqual([]);
    expect(await send(replica, file(...lines.slice(0, -1)))).toMatchObject({ body: { later: MOST_BARS } });
    expect(await send(replica, file(...lines.slice(-2)))).toMatchObject({ body: { later: 1, same: 1 } });
  });

  test("of which one line is bad are not imported at all, and each bad line is named", async () => {
    for (const minute of [10, 12]) at.venue.bar(minute, "10");
    const replica = await at.start();
    await replica.ensure();
    const before = await stored();
    const future = Math.ceil(Date.now() / MINUTE_MS) + 5;
    const refused = await send(replica, file(line(7), line(10, "11"), line(11), line(12), line(13), line(future)));
    expect(refused.status).toBe(422);
    expect(refused.body).toMatchObject({ detail: "3 lines of the file cannot be taken: nothing was imported." });
    expect(refused.body["errors"]).toEqual([
      { field: "line 3", message: "close 11 is 10 in candle 1, which is kept and stays" },
      { field: "line 4", message: "it stands between candles that are kept: none gets another number" },
      { field: "line 7", message: "its bar is not over yet" },
    ]);
    const unread = await send(replica, file(line(7), "x,1,2"));
    expect(unread.body["errors"]).toMatchObject([{ field: "line 3" }]);
    expect(await stored()).toEqual(before);
  });

  test("of a series of trades leave bars without one out", async () => {
    const replica = await at.start();
    const sent = await send(replica, file(line(3), line(4, "10", "0"), line(5)), { query: "&source=trades" });
    expect(sent.body).toMatchObject({ later: 2, withoutTrade: 1 });
    expect(await send(replica, file(line(6)))).toMatchObject({ status: 409 });
    // Where nothing was traded no candle is left out.
    const before = await send(replica, file(line(1), line(2, "10", "0")), { query: "&source=trades" });
    expect(before.body).toMatchObject({ earlier: 1, withoutTrade: 1 });
  });

  test("are not added to a series that another process makes of trades meanwhile", async () => {
    const { db } = at.database;
    const [log, clock] = [pino({ level: "silent" }), systemClock];
    /** Another process is the first each time that this one has looked. */
    class OvertakenStore extends Store {
      override async first(series: Series) {
        await super.ensureSeries({ ...series, source: "trades" }, 0, 1);
        return await super.first(series);
      }
    }
    const store = new OvertakenStore(db);
    const instruments = new InstrumentTable({ db, store, clock, log, dataCollect: at.venue });
    const kept = new KeptSeries(store, clock, log);
    const options = { store, kept, instruments, clock, lock: new KeyedLock(), partitionOf: () => 0 };
    const request = { instrumentId: spx.id, timeFrame: "1m", source: "bars" } as const;
    const sent: BarsFile = { unit: "line", read: async (wanted) => readBarRows(file(line(3)), wanted) };
    expect(await failureOf(importCandles(options, request, sent))).toContain("is kept from trades: take that source");
    expect(await stored()).toEqual([]);
  });

  test("are no JSON, and of an instrument and a series that are known", async () => {
    const replica = await at.start();
    expect(await send(replica, file(line(3)), { type: "application/json" })).toMatchObject({ status: 422 });
    expect(await send(replica, file(line(3)), { query: "&more=1" })).toMatchObject({ status: 422 });
    expect((await replica.ask(PATH)).status).toBe(404);
  });

  test("are added at no end where one of them has moved meanwhile", async () => {
    for (const minute of [10, 11]) at.venue.bar(minute, "10");
    const replica = await at.start();
    await replica.ensure();
    const store = new Store(at.database.db);
    const series = (await store.series(spx.id, "1m")) ?? expect.unreachable();
    const bars = [at.venue.bar(9, "10"), at.venue.bar(12, "10")] as const;
    const ends = { before: numberedBefore(series, [bars[0]]), behind: numbered(series, [bars[1]]) };
    expect(await store.extend({ ...series, headN: 1 }, ends)).toBe(false);
    expect(await stored()).toEqual([
      [1, 10],
      [2, 11],
    ]);
    expect(await store.extend(series, ends)).toBe(true);
    expect((await stored()).map(([n]) => n)).toEqual([0, 1, 2, 3]);
  });

  test("that two replicas are sent at once are added once", async () => {
    const replicas = [await at.start(), await at.start()];
    const lines = Array.from({ length: 3_000 }, (_, minute) => line(minute));
    const answers = await Promise.all(replicas.map((replica) => send(replica, file(...lines))));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers.map(({ body }) => Number(body["later"]) + Number(body["same"]))).toEqual([3_000, 3_000]);
    expect(await stored()).toEqual(lines.map((_, index) => [index + 1, index]));
    const [replica = expect.unreachable()] = replicas;
    expect((await exported(replica)).split("\n")).toHaveLength(3_002);
  });
});

describe("a file that is made to hold the process", () => {
  const row = "2023-01-01T00:00:00Z,1,2,0.5,1,1\n";
  const wide = (columns: number) => `${HEADER},${Array.from({ length: columns }, (_, at) => `c${at}`).join()}\n`;
  const MANY = "it has more than 100 columns";
  const OTHER = "it has another number of fields than the first line has columns";
  test.each([
    ["of 1,500 columns", wide(1_500) + row.repeat(20_000), 1, MANY],
    ["of 200 columns", wide(200) + row.repeat(5_000), 1, MANY],
    ["of 900,000 columns", `${",".repeat(900_000)}\n${row}`, 1, MANY],
    ["with a line of a million fields", `${HEADER}\n${row}${",".repeat(1_000_000)}`, 3, MANY],
    ["whose every line is short", wide(90) + row.repeat(29_000), 2, OTHER],
    ["of half a million lines", `${HEADER}\n${"\n".repeat(500_000)}x`, 500_002, OTHER],
  ])(
    "%s is refused in time, and others are answered meanwhile",
    async (_what, csv, number, message) => {
      const replica = await at.start();
      const beforeBytes = memoryUsage.rss();
      const beganMs = performance.now();
      const sent = send(replica, csv);
      expect(await slowestMeanwhile(replica, sent)).toBeLessThan(3_000);
      expect(performance.now() - beganMs).toBeLessThan(20_000);
      expect(memoryUsage.rss() - beforeBytes).toBeLessThan(500_000_000);
      const { status, body } = await sent;
      expect([status, (body["errors"] as unknown[])[0]]).toEqual([422, { field: `line ${number}`, message }]);
      expect(await stored()).toEqual([]);
      // The next one is read as ever.
      expect(await send(replica, file(line(3)))).toMatchObject({ status: 200, body: { later: 1 } });
    },
    60_000,
  );
});

import { describe, expect, test } from "bun:test";
import { MINUTE_MS, type Replica } from "#services/market-data/market-data.fixture.ts";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { spx } from "#shared/matching/spx.fixture.ts";

const at = replicasOfEachTest();
const id = encodeURIComponent(spx.id);
const DAY_MINUTES = 1_440;

async function told({ ask }: Replica, path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await ask(path);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

describe("GET /gaps", () => {
  test("tells the stretches between candles, page by page, and what the venue lists in them now", async () => {
    for (const minute of [0, 1, 5, 6, 10, 300]) at.venue.bar(minute, "10");
    const replica = await at.start();
    await replica.ensure();
    const path = `/gaps?instrumentId=${id}&timeFrame=1m`;
    const gap = (afterN: number, from: number, to: number, listed: number | null) => {
      return { afterN, fromMs: from * MINUTE_MS, toMs: to * MINUTE_MS, bars: to - from, listed };
    };
    const first = await told(replica, `${path}&limit=2`);
    expect(first.body["items"]).toEqual([gap(2, 2, 5, null), gap(4, 7, 10, null)]);
    const second = await told(replica, `${path}&limit=2&cursor=${String(first.body["nextCursor"])}`);
    expect(second.body).toEqual({ items: [gap(5, 11, 300, null)], nextCursor: null });
    // The venue lists one of them by now.
    const missing = { ...at.venue.bars_[0], openAtMs: 3 * MINUTE_MS } as (typeof at.venue.bars_)[number];
    at.venue.bars_ = [...at.venue.bars_, missing].toSorted((a, b) => a.openAtMs - b.openAtMs);
    const asked = await told(replica, `${path}&limit=20&atVenue=true`);
    expect(asked.body["items"]).toEqual([gap(2, 2, 5, 1), gap(4, 7, 10, 0), gap(5, 11, 300, 0)]);
  });

  test("are looked for in stretches of a long series, each a page", async () => {
    for (const minute of [0, 1]) at.venue.bar(minute, "10");
    const replica = await at.start();
    await replica.ensure();
    const { sql } = at.database.db;
    const [gapN, headN] = [200_000, 200_010];
    for (let fromN = 3; fromN <= headN; fromN += 50_000)
      await sql`
        insert into market_data.candles
          (instrument_id, time_frame, n, open_at_ms, close_at_ms, open, high, low, close, volume, received_at_ms)
        select ${spx.id}, '1m', n, place * ${MINUTE_MS}::bigint, (place + 1) * ${MINUTE_MS}::bigint, 1, 1, 1, 1, 1, 1
        from (
          select n, case when n > ${gapN}::int then n else n - 1 end as place
          from generate_series(${fromN}::int, ${Math.min(fromN + 49_999, headN)}::int) as n
        ) numbers`;
    await sql`
      update market_data.series set head_n = ${headN}, head_open_at_ms = ${headN * MINUTE_MS}
      where instrument_id = ${spx.id} and time_frame = '1m'`;
    const path = `/gaps?instrumentId=${id}&timeFrame=1m`;
    const { body } = await told(replica, path);
    expect(body["items"]).toEqual([]);
    // It lies between two stretches.
    expect((await told(replica, `${path}&cursor=${String(body["nextCursor"])}`)).body).toMatchObject({
      items: [{ afterN: gapN, bars: 1 }],
      nextCursor: null,
    });
  });

  test("of a series that is not kept are 404, and too many to ask the venue for 422", async () => {
    const replica = await at.start();
    expect(await told(replica, `/gaps?instrumentId=${id}&timeFrame=1m`)).toMatchObject({ status: 404 });
    expect(await told(replica, `/gaps?instrumentId=${id}&timeFrame=1m&atVenue=true`)).toMatchObject({ status: 422 });
  });
});

describe("GET /statistics", () => {
  test("tells the last price, and the 24 hours before by the market's clock", async () => {
    for (let minute = 0; minute < 2 * DAY_MINUTES; minute += 1) at.venue.bar(minute, "11");
    const low = { ...at.venue.bars_[DAY_MINUTES], low: "0.5", open: "8" } as (typeof at.venue.bars_)[number];
    // A lower one is of the day before.
    const older = { ...at.venue.bars_[DAY_MINUTES - 1], low: "0.1" } as (typeof at.venue.bars_)[number];
    at.venue.bars_ = at.venue.bars_.map((bar) => [low, older].find(({ openAtMs }) => openAtMs === bar.openAtMs) ?? bar);
    const replica = await at.start();
    await replica.ensure({ history: 2 * DAY_MINUTES });
    expect(await told(replica, `/statistics?instrumentId=${id}`)).toEqual({
      status: 200,
      body: {
        instrumentId: spx.id,
        timeFrame: "1m",
        lastPrice: "11",
        atMs: 2 * DAY_MINUTES * MINUTE_MS,
        fromMs: DAY_MINUTES * MINUTE_MS,
        open: "8",
        high: "12.5",
        low: "0.5",
        volume: "4680",
        change: "3",
        changeShare: "0.375",
      },
    });
  });

  test("tells the last price of the series that is newest, where another one has the day", async () => {
    const day = (number: number, close: string) => {
      const openAtMs = number * DAY_MINUTES * MINUTE_MS;
      const times = { timeFrame: "1d", openAtMs, closeAtMs: openAtMs + DAY_MINUTES * MINUTE_MS } as const;
      return { ...at.venue.bar(0, close), ...times, prevOpenAtMs: null };
    };
    const days = [day(0, "10"), day(1, "11")];
    at.venue.bars_ = days;
    for (const minute of [0, 1]) at.venue.bar(2 * DAY_MINUTES + minute, "12");
    const replica = await at.start();
    await replica.ensure();
    await replica.ensure({ timeFrame: "1d" });
    expect((await told(replica, `/statistics?instrumentId=${id}`)).body).toMatchObject({
      timeFrame: "1d",
      lastPrice: "12",
      atMs: (2 * DAY_MINUTES + 2) * MINUTE_MS,
      fromMs: DAY_MINUTES * MINUTE_MS,
      open: "10",
      volume: "3.25",
      change: "2",
    });
  });

  test("of an instrument without candles are 404", async () => {
    const replica = await at.start();
    expect(await told(replica, `/statistics?instrumentId=${id}`)).toMatchObject({ status: 404 });
  });
});

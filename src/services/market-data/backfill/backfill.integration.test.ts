import { describe, expect, test } from "bun:test";
import { MINUTE_MS, showBars } from "#services/market-data/market-data.fixture.ts";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { act, ask, FEW, hold, KEY, listMinutes, look, minutesOf, over, refusal } from "./backfill.fixture.ts";

const at = replicasOfEachTest();
const bars = (from: number, to: number): void => listMinutes(at.venue, from, to);

describe("a back-fill", () => {
  test("grows a series to a time, page by page, with its progress, and no candle gets another number", async () => {
    bars(0, 2_600);
    const replica = await at.start(FEW);
    await replica.ensure();
    const before = await replica.candles("fromN=1");
    const held = hold(at.venue, 2);
    const asked = await ask(replica, { fromMs: 97 * MINUTE_MS });
    expect(asked).toMatchObject({ added: 0, progress: 0, oldestOpenAtMs: 2_597 * MINUTE_MS, finishedAtMs: null });
    await held.asked;
    expect(await look(replica, asked.id)).toMatchObject({
      state: "RUNNING",
      added: 1_000,
      progress: 0.4,
      oldestOpenAtMs: 1_597 * MINUTE_MS,
    });
    held.release();
    expect(await over(replica, asked.id)).toMatchObject({
      state: "DONE",
      fromMs: 97 * MINUTE_MS,
      count: null,
      added: 2_500,
      progress: 1,
      oldestOpenAtMs: 97 * MINUTE_MS,
      endReason: "What was asked for is there: the first candle opened at 1970-01-01T01:37:00.000Z.",
      error: null,
      finishedAtMs: expect.any(Number),
    });
    expect(await minutesOf(replica)).toEqual({ firstN: -2_499, from: 97, to: 2_600 });
    expect(await replica.candles("fromN=1")).toEqual(before);
    expect(await replica.ensure()).toMatchObject({ firstN: -2_499, headN: 3 });
  });

  test("grows it to a number of candles, or to a day, or ends at once where it is there", async () => {
    bars(1_300, 3_000);
    const replica = await at.start(FEW);
    await replica.ensure();
    const byCount = await over(replica, (await ask(replica, { count: 1_203 })).id);
    expect(byCount).toMatchObject({ state: "DONE", added: 1_200, count: 1_203 });
    expect(await minutesOf(replica)).toEqual({ firstN: -1_199, from: 1_797, to: 3_000 });
    const byDay = await over(replica, (await ask(replica, { from: "1970-01-02" })).id);
    expect(byDay).toMatchObject({ state: "DONE", added: 357, fromMs: 1_440 * MINUTE_MS });
    const there = await over(replica, (await ask(replica, { count: 5 })).id);
    expect(there).toMatchObject({ state: "DONE", added: 0, progress: 1 });
    expect(await minutesOf(replica)).toEqual({ firstN: -1_556, from: 1_440, to: 3_000 });
  });

  test("ends DONE with a sentence where the venue has nothing earlier", async () => {
    bars(40, 60);
    const replica = await at.start(FEW);
    await replica.ensure();
    expect(await over(replica, (await ask(replica, { fromMs: 0 })).id)).toMatchObject({
      state: "DONE",
      added: 17,
      progress: 1,
      oldestOpenAtMs: 40 * MINUTE_MS,
      endReason: "History begins at 1970-01-01T00:40:00.000Z: the venue lists nothing earlier.",
    });
  });

  test("goes on while candles are added at the other end", async () => {
    bars(0, 1_500);
    const replica = await at.start(FEW);
    await replica.ensure();
    const held = hold(at.venue, 1);
    const { id } = await ask(replica, { fromMs: 0 });
    await held.asked;
    await showBars(replica.bus, at.venue.bar(1_500, "11"));
    await until(async () => (await replica.candles("fromN=4")).length === 1);
    held.release();
    expect(await over(replica, id)).toMatchObject({ state: "DONE", added: 1_497 });
    expect(await minutesOf(replica)).toEqual({ firstN: -1_496, from: 0, to: 1_501 });
  });

  test("reads anew where a longer history was asked for meanwhile", async () => {
    bars(0, 3_600);
    const replica = await at.start(FEW);
    await replica.ensure();
    const held = hold(at.venue, 2);
    const { id } = await ask(replica, { fromMs: 0 });
    await held.asked;
    expect(await replica.ensure({ history: 1_503 })).toMatchObject({ firstN: -1_499 });
    held.release();
    expect(await over(replica, id)).toMatchObject({ state: "DONE", added: 3_097 });
    expect(await minutesOf(replica)).toEqual({ firstN: -3_596, from: 0, to: 3_600 });
  });

  test("of a series of trades leaves bars without a trade out, a whole page of them too, and begins anew behind none", async () => {
    bars(0, 4);
    bars(4, 2_300);
    at.venue.bars_ = at.venue.bars_.map((bar, n) => (n < 4 ? bar : { ...bar, volume: "0" }));
    bars(2_300, 2_303);
    const replica = await at.start(FEW);
    expect(await replica.ensure({ source: "trades" })).toMatchObject({ firstN: 1, headN: 3 });
    const held = hold(at.venue, 3);
    const { id } = await ask(replica, { count: 6 });
    await held.asked;
    expect(await act(replica, id, "cancel")).toMatchObject({ state: "CANCELED", added: 0 });
    held.release();
    await act(replica, id, "resume");
    expect(await over(replica, id)).toMatchObject({ state: "DONE", added: 3, oldestOpenAtMs: MINUTE_MS });
    // The two pages without a trade were not asked for again.
    expect(held.questions()).toBeLessThanOrEqual(4);
    expect((await replica.candles("fromN=-2&limit=3")).map(({ n, openAtMs }) => [n, openAtMs / MINUTE_MS])).toEqual([
      [-2, 1],
      [-1, 2],
      [0, 3],
    ]);
  });
});

describe("a back-fill that is asked for again", () => {
  test("is the same one; an earlier target is its own from then on", async () => {
    bars(0, 3_000);
    const replica = await at.start(FEW);
    await replica.ensure();
    const held = hold(at.venue, 1);
    const first = await ask(replica, { fromMs: 2_900 * MINUTE_MS });
    await held.asked;
    expect(await ask(replica, { fromMs: 2_900 * MINUTE_MS })).toMatchObject({ id: first.id });
    expect(await ask(replica, { fromMs: 2_950 * MINUTE_MS })).toMatchObject({
      id: first.id,
      fromMs: 2_900 * MINUTE_MS,
    });
    expect(await ask(replica, { fromMs: 500 * MINUTE_MS })).toMatchObject({ id: first.id, fromMs: 500 * MINUTE_MS });
    expect(await ask(replica, { count: 2_700 })).toMatchObject({ id: first.id, count: 2_700 });
    held.release();
    expect(await over(replica, first.id)).toMatchObject({ state: "DONE", added: 2_697 });
    expect(await minutesOf(replica)).toMatchObject({ from: 300 });
    const list = async (query: string) =>
      ((await (await replica.ask(`/backfills?${query}`)).json()) as { items: { id: string }[] }).items;
    expect(await list("")).toHaveLength(1);
    expect(await list(`instrumentId=${encodeURIComponent(spx.id)}&state=DONE`)).toMatchObject([{ id: first.id }]);
    expect(await list("state=RUNNING")).toEqual([]);
    expect(await list("instrumentId=BTC/USDT.paper")).toEqual([]);
  });

  test("by two replicas at once is one", async () => {
    bars(0, 3_000);
    const [one, other] = [await at.start(FEW), await at.start(FEW)];
    await one.ensure();
    const held = hold(at.venue, 1);
    const asked = await Promise.all([one, other, one, other].map((replica) => ask(replica, { fromMs: 0 })));
    held.release();
    const { id } = asked[0] ?? expect.unreachable();
    expect(new Set(asked.map((backfill) => backfill.id))).toEqual(new Set([id]));
    expect(await over(other, id)).toMatchObject({ state: "DONE", added: 2_997 });
    expect(await minutesOf(one)).toEqual({ firstN: -2_996, from: 0, to: 3_000 });
  });
});

describe("a back-fill that is canceled", () => {
  test("adds nothing any more, not even the page that is under way, and goes on there when it is resumed", async () => {
    bars(0, 2_600);
    const replica = await at.start(FEW);
    await replica.ensure();
    const held = hold(at.venue, 2);
    const { id } = await ask(replica, { fromMs: 0 });
    await held.asked;
    expect(await act(replica, id, "cancel")).toMatchObject({
      state: "CANCELED",
      added: 1_000,
      error: "It was canceled.",
      finishedAtMs: expect.any(Number),
    });
    expect(await act(replica, id, "cancel")).toMatchObject({ state: "CANCELED" });
    held.release();
    await until(async () => (await at.database.db.sql`select 1 from queue.tasks where state = 'open'`).length === 0);
    expect(await look(replica, id)).toMatchObject({ state: "CANCELED", added: 1_000 });
    expect(await minutesOf(replica)).toMatchObject({ from: 1_597 });
    expect(await act(replica, id, "resume")).toMatchObject({ error: null, finishedAtMs: null, added: 1_000 });
    expect(await over(replica, id)).toMatchObject({ state: "DONE", added: 2_597 });
    expect(await minutesOf(replica)).toEqual({ firstN: -2_596, from: 0, to: 2_600 });
    expect(await refusal(await replica.ask(`/backfills/${id}/cancel`, {}))).toMatchObject({ status: 409 });
    expect(await refusal(await replica.ask(`/backfills/${id}/resume`, {}))).toMatchObject({ status: 409 });
  });

  test("is not resumed while another one grows its series", async () => {
    bars(0, 2_600);
    const replica = await at.start(FEW);
    await replica.ensure();
    const held = hold(at.venue, 1);
    const first = await ask(replica, { fromMs: 0 });
    await held.asked;
    await act(replica, first.id, "cancel");
    const second = await ask(replica, { fromMs: 1_000 * MINUTE_MS });
    expect(second.id).not.toBe(first.id);
    expect(await refusal(await replica.ask(`/backfills/${first.id}/resume`, {}))).toEqual({
      status: 409,
      detail: `Another back-fill of ${spx.id} 1m goes on: wait for it, or cancel it first.`,
      fields: [],
    });
    held.release();
    expect(await over(replica, second.id)).toMatchObject({ state: "DONE", added: 1_597 });
    await act(replica, first.id, "resume");
    expect(await over(replica, first.id)).toMatchObject({ state: "DONE", added: 1_000 });
    expect(await minutesOf(replica)).toEqual({ firstN: -2_596, from: 0, to: 2_600 });
  });
});

test("what cannot be asked for is refused in a sentence", async () => {
  bars(0, 5);
  const replica = await at.start(FEW);
  const post = async (body: object) => await refusal(await replica.ask("/backfills", body));
  expect(await post({ ...KEY, count: 5 })).toMatchObject({
    status: 404,
    detail: `No series ${spx.id} 1m is kept: GET /api/market-data/series lists those that are, POST makes one.`,
  });
  await replica.ensure();
  const both = "body must have one of from, fromMs and count, which says how far to go back, and one of them alone";
  expect(await post(KEY)).toMatchObject({ status: 422, fields: [both] });
  expect(await post({ ...KEY, fromMs: 0, count: 5 })).toMatchObject({ status: 422, fields: [both] });
  expect(await post({ ...KEY, from: "last year" })).toMatchObject({
    fields: ['from must be a day like "2020-01-31" or a time of UTC like "2020-01-31T12:00:00Z"'],
  });
  expect(await post({ ...KEY, from: "1969-12-31" })).toMatchObject({ fields: ["from must not be before 1970"] });
  expect(await post({ ...KEY, fromMs: Date.now() + MINUTE_MS })).toMatchObject({
    fields: ["fromMs must not be in the future"],
  });
  expect(await refusal(await replica.ask(`/backfills/${crypto.randomUUID()}`))).toEqual({
    status: 404,
    detail: "There is no back-fill of this id.",
    fields: [],
  });
  at.venue.bars_ = [];
  await at.database.db.sql`truncate market_data.series, market_data.candles, market_data.backfills`;
  await replica.ensure();
  expect(await post({ ...KEY, count: 5 })).toMatchObject({
    status: 409,
    detail: `The series ${spx.id} 1m has no candle yet: ask again once it has one.`,
  });
});

import { afterEach, describe, expect, test } from "bun:test";
import { MINUTE_MS, type Replica, showBars, showTrades } from "#services/market-data/market-data.fixture.ts";
import { replicasOfEachTest } from "#services/market-data/replicas-of-each-test.fixture.ts";
import { numbered } from "#services/market-data/series/series.ts";
import { Store } from "#services/market-data/store.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { putSession } from "#shared/db/reference-rows.fixture.ts";
import type { Candle, Quote } from "#shared/domain/candle.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import type { Listening } from "#shared/http/listen.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import {
  CANDLES,
  closedOf,
  type Follower,
  follow as followAt,
  QUOTES,
  readSlowly,
  serve as serveReplica,
  tellCandles,
  tellQuotes,
} from "./stream.fixture.ts";

const at = replicasOfEachTest();
const opened: { stop?: () => Promise<void>; close?: () => void }[] = [];

function noted<T extends { stop?: () => Promise<void>; close?: () => void }>(one: T): T {
  opened.push(one);
  return one;
}
const serve = (replica: Replica): Listening => noted(serveReplica(replica));
const follow = async (url: string, headers: Record<string, string> = {}): Promise<Follower> =>
  noted(await followAt(url, headers));

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) {
    one.close?.();
    await one.stop?.();
  }
});

const quote = (bid: string, receivedAtMs: number, instrumentId = spx.id): Quote => {
  return { instrumentId, bid, bidSize: "1", ask: "100", askSize: "2.5", receivedAtMs };
};
const numbersOf = (candles: readonly Candle[]): number[] => candles.map(({ n }) => n);
const from = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** A forming candle of a minute, whose newest trade was then. */
const formingCandle = (n: number, minute: number, tradedAtMs: number): Candle => {
  const prices = { open: "1", high: "1", low: "1", close: String(tradedAtMs), volume: "1" };
  const times = { openAtMs: minute * MINUTE_MS, closeAtMs: (minute + 1) * MINUTE_MS, tradedAtMs, receivedAtMs: 1 };
  return { instrumentId: spx.id, timeFrame: "1m", source: "bars", n, closed: false, ...prices, ...times };
};

describe("a late joiner", () => {
  test("is told what stands on every replica alike, then each change: candles closed and forming, and quotes", async () => {
    for (const close of ["10", "11"]) at.venue.bar(at.venue.bars_.length, close);
    const replicas = [await at.start(), await at.start()];
    const [first = expect.unreachable()] = replicas;
    const urls = replicas.map((replica) => serve(replica).url);
    await first.ensure({ history: 2, forming: true });
    // One follows from the beginning, so that it is seen when both have heard.
    const early = await Promise.all(urls.map((url) => follow(url)));
    for (const one of early) {
      await one.ask({ op: "subscribe", ...CANDLES }, "snapshot");
      expect(one.heard).toEqual([
        { type: "subscribed", ...CANDLES },
        {
          type: "snapshot",
          ...CANDLES,
          closed: [expect.objectContaining({ n: 2, close: "11" })],
          forming: null,
          followed: false,
        },
      ]);
      expect(await one.ask({ op: "subscribe", ...QUOTES }, "snapshot")).toEqual({
        type: "snapshot",
        ...QUOTES,
        quote: null,
        followed: false,
      });
    }
    await showTrades(first.bus, at.venue.trade(2.5 * MINUTE_MS, "12"));
    await tellQuotes(first, quote("99", 1));
    for (const one of early) await until(() => one.heard.length === 6);
    await putSession(at.database.db.sql, sessionOf({ state: "RUNNING", instrumentIds: [spx.id], timeFrame: "1m" }));
    const late = await Promise.all(urls.map((url) => follow(url)));
    for (const one of late) {
      expect(await one.ask({ op: "subscribe", ...CANDLES }, "snapshot")).toEqual({
        type: "snapshot",
        ...CANDLES,
        closed: [expect.objectContaining({ n: 2, close: "11", closed: true })],
        forming: expect.objectContaining({ n: 3, close: "12", closed: false }),
        followed: true,
      });
      expect(await one.ask({ op: "subscribe", ...QUOTES }, "snapshot")).toEqual({
        type: "snapshot",
        ...QUOTES,
        quote: quote("99", 1),
        followed: true,
      });
    }
    await showBars(first.bus, at.venue.bar(2, "13"));
    // Repeated, and an older one: neither is told.
    await tellQuotes(first, quote("99", 1), quote("98", 0.5), quote("97", 2));
    for (const one of [...early, ...late]) {
      await until(() => one.closedCandles().at(-1)?.n === 3 && one.heard.some((it) => it.type === "quote"));
      await until(() => one.heard.some((it) => it.type === "quote" && it.quote?.bid === "97"));
      expect(one.heard.filter(({ type }) => type === "error")).toEqual([]);
    }
    const change = { type: "quote" as const, instrumentId: spx.id, quote: quote("97", 2) };
    for (const { heard } of late) expect(heard.filter(({ type }) => type === "quote")).toEqual([change]);
    // What is over forms no more.
    const last = await follow(urls[1] ?? "");
    expect(await last.ask({ op: "subscribe", ...CANDLES }, "snapshot")).toMatchObject({
      closed: [{ n: 3 }],
      forming: null,
    });
  });

  test("is told once that a quote stands no more, and again when it does", async () => {
    const replica = await at.start({ R3_MARKET_DATA_QUOTES_MS: "1000" });
    const one = await follow(serve(replica).url);
    await tellQuotes(replica, quote("99", 5));
    await one.ask({ op: "subscribe", ...QUOTES }, "snapshot");
    await until(() => one.heard.at(-1)?.type === "quote" && JSON.stringify(one.heard.at(-1)).includes("null"));
    await tellQuotes(replica, quote("99", 5));
    await until(() => JSON.stringify(one.heard.at(-1)).includes('"99"'));
  });
});

describe("closed candles", () => {
  test("none is missed and none comes twice for whoever joins while they come, over two replicas", async () => {
    at.venue.bar(0, "10");
    const replicas = [await at.start(), await at.start()];
    const [first = expect.unreachable()] = replicas;
    const urls = replicas.map((replica) => serve(replica).url);
    await first.ensure({ history: 1 });
    const last = 400;
    const followers: Follower[] = [];
    const joining = (async () => {
      for (let index = 0; index < 40; index += 1) {
        const one = await follow(urls[index % 2] ?? "");
        one.send({ op: "subscribe", ...CANDLES });
        followers.push(one);
        await Bun.sleep(5);
      }
    })();
    for (let minute = 1; minute < last; minute += 1) {
      await showBars(first.bus, at.venue.bar(minute, String(minute)));
      if (minute % 10 === 0) await Bun.sleep(1);
    }
    await joining;
    const starts = new Set<number>();
    for (const one of followers) {
      await until(() => one.closedCandles().at(-1)?.n === last);
      const numbers = numbersOf(one.closedCandles());
      starts.add(numbers[0] ?? 0);
      expect(numbers).toEqual(from(numbers[0] ?? 0, last));
    }
    // They did not all join before or behind them.
    expect(starts.size).toBeGreaterThan(3);
  });

  test("a hole in what is heard is closed from the store, in order; what is heard twice or late is told once", async () => {
    at.venue.bar(0, "10");
    const replica = await at.start({ R3_MARKET_DATA_REPEAT_MS: "60000" });
    await replica.ensure({ history: 1 });
    const one = await follow(serve(replica).url);
    await one.ask({ op: "subscribe", ...CANDLES }, "snapshot");
    const store = new Store(at.database.db);
    const series = (await store.series(spx.id, "1m")) ?? expect.unreachable();
    const stored = numbered(
      series,
      from(1, 500).map((minute) => at.venue.bar(minute, "10")),
    );
    await store.extend(series, { behind: stored });
    const told = (n: number): Candle => stored[n - 2] ?? expect.unreachable();
    await tellCandles(replica, told(499), told(2), told(499), told(501), told(3));
    await until(() => one.closedCandles().at(-1)?.n === 501);
    expect(numbersOf(one.closedCandles())).toEqual(from(1, 501));
  });

  test("a series that was dropped and made anew goes on with its new candles", async () => {
    at.venue.bar(0, "10");
    at.venue.bar(1, "10");
    const replica = await at.start({ R3_MARKET_DATA_REPEAT_MS: "60000" });
    await replica.ensure({ history: 1 });
    const one = await follow(serve(replica).url);
    await one.ask({ op: "subscribe", ...CANDLES }, "snapshot");
    const { instrumentId, timeFrame } = CANDLES;
    const path = `/api/market-data/series?instrumentId=${encodeURIComponent(instrumentId)}&timeFrame=${timeFrame}`;
    await replica.routes(new Request(`http://localhost${path}`, { method: "DELETE" }));
    at.venue.bars_ = [at.venue.bar(7, "20")];
    await replica.ensure({ history: 1 });
    await showBars(replica.bus, at.venue.bar(8, "21"), at.venue.bar(9, "22"));
    await until(() => one.closedCandles().at(-1)?.close === "22");
    expect(
      one
        .closedCandles()
        .map(({ n, close }) => `${n}:${close}`)
        .slice(-2),
    ).toEqual(["2:21", "3:22"]);
  });

  test("a channel that nobody follows is forgotten: who joins later is given what the store has by then", async () => {
    at.venue.bar(0, "10");
    const replica = await at.start({ R3_MARKET_DATA_REPEAT_MS: "60000" });
    await replica.ensure({ history: 1 });
    const { url } = serve(replica);
    const store = new Store(at.database.db);
    const ends = [(one: Follower) => one.close(), (one: Follower) => one.send({ op: "unsubscribe", ...CANDLES })];
    for (const [index, end] of ends.entries()) {
      const one = await follow(url);
      const snapshot = await one.ask({ op: "subscribe", ...CANDLES }, "snapshot");
      expect(snapshot).toMatchObject({ closed: [{ n: 1 + index }] });
      end(one);
      await until(() => one.closed() !== null || one.heard.at(-1)?.type === "unsubscribed");
      const series = (await store.series(spx.id, "1m")) ?? expect.unreachable();
      await store.extend(series, { behind: numbered(series, [at.venue.bar(1 + index, "10")]) });
    }
    const last = await follow(url);
    expect(await last.ask({ op: "subscribe", ...CANDLES }, "snapshot")).toMatchObject({ closed: [{ n: 3 }] });
  });

  test("of a series without any begin with the first one", async () => {
    const replica = await at.start();
    await replica.ensure();
    const one = await follow(serve(replica).url);
    expect(await one.ask({ op: "subscribe", ...CANDLES }, "snapshot")).toMatchObject({ closed: [], forming: null });
    await showBars(replica.bus, at.venue.bar(0, "10"), at.venue.bar(1, "11"));
    await until(() => one.closedCandles().length === 2);
    expect(numbersOf(one.closedCandles())).toEqual([1, 2]);
  });
});

test("a forming candle that is older than what was told, or is closed by now, is told to nobody", async () => {
  for (const close of ["10", "11"]) at.venue.bar(at.venue.bars_.length, close);
  const replica = await at.start({ R3_MARKET_DATA_REPEAT_MS: "60000" });
  await replica.ensure({ history: 2 });
  const { url } = serve(replica);
  const one = await follow(url);
  await one.ask({ op: "subscribe", ...CANDLES }, "snapshot");
  const [older, newer, late] = [130_000, 150_000, 170_000].map((tradedAtMs) => formingCandle(3, 2, tradedAtMs));
  const next = formingCandle(4, 3, 190_000);
  if (older === undefined || newer === undefined || late === undefined) return expect.unreachable();
  await tellCandles(replica, newer, older);
  await showBars(replica.bus, at.venue.bar(2, "12"));
  await until(() => one.closedCandles().at(-1)?.n === 3);
  await tellCandles(replica, late);
  // Of another series, in the same partition: what was told before it is heard by then.
  const other = { ...late, timeFrame: "5m" as const };
  await replica.ensure({ timeFrame: "5m" });
  await one.ask({ op: "subscribe", ...CANDLES, timeFrame: "5m" }, "snapshot");
  await tellCandles(replica, other);
  await until(() => one.heard.at(-1)?.type === "candle");
  const joiner = await follow(url);
  expect(await joiner.ask({ op: "subscribe", ...CANDLES }, "snapshot")).toMatchObject({
    closed: [{ n: 3 }],
    forming: null,
  });
  await tellCandles(replica, next);
  await until(() => one.heard.some((it) => it.type === "candle" && it.candle.n === 4));
  const told = one.heard.flatMap((it) => (it.type === "candle" && it.candle.timeFrame === "1m" ? [it.candle] : []));
  expect(told.map(({ n, tradedAtMs }) => [n, tradedAtMs])).toEqual([
    [3, 150_000],
    [3, undefined],
    [4, 190_000],
  ]);
});

test("whoever unsubscribes is told nothing more of that channel, and goes on with the others", async () => {
  const replica = await at.start();
  const one = await follow(serve(replica).url);
  const other = { ...QUOTES, instrumentId: "A/B.paper" };
  await one.ask({ op: "subscribe", ...QUOTES }, "snapshot");
  await one.ask({ op: "subscribe", ...other }, "snapshot");
  expect(await one.ask({ op: "unsubscribe", ...QUOTES }, "unsubscribed")).toEqual({ type: "unsubscribed", ...QUOTES });
  await tellQuotes(replica, quote("1", 1), quote("2", 2, "A/B.paper"));
  await until(() => one.heard.some(({ type }) => type === "quote"));
  expect(one.heard.filter(({ type }) => type === "quote")).toMatchObject([{ instrumentId: "A/B.paper" }]);
});

test("a slow reader is told only what is newest, and no more is kept for it than its buffer takes", async () => {
  at.venue.bar(0, "10");
  const replica = await at.start();
  await replica.ensure({ history: 1 });
  const server = serve(replica);
  const [slow, quick] = [noted(await readSlowly(server)), await follow(server.url)];
  slow.send({ op: "subscribe", ...CANDLES });
  slow.send({ op: "subscribe", ...QUOTES });
  await until(() => slow.heard.length === 4);
  await quick.ask({ op: "subscribe", ...CANDLES }, "snapshot");
  await quick.ask({ op: "subscribe", ...QUOTES }, "snapshot");
  slow.pause();
  // Far more than the operating system takes for a reader that stands still.
  const rounds = 60;
  const aRound = 1_000;
  for (let round = 0; round < rounds; round += 1) {
    const base = round * aRound + 1;
    const batch = from(base, base + aRound - 1);
    await tellCandles(replica, ...batch.map((tradedAtMs) => formingCandle(2 + round, 1 + round, tradedAtMs)));
    await showBars(replica.bus, at.venue.bar(1 + round, "10"));
    await until(() => quick.closedCandles().at(-1)?.n === 2 + round);
  }
  await tellQuotes(replica, quote("77", 9));
  await until(() => JSON.stringify(quick.heard.at(-1)).includes('"77"'));
  expect(numbersOf(quick.closedCandles())).toEqual(from(1, rounds + 1));
  slow.resume();
  await until(() => closedOf(slow.heard).at(-1)?.n === rounds + 1);
  await until(() => slow.heard.some((one) => one.type === "quote" && one.quote?.bid === "77"));
  const numbers = numbersOf(closedOf(slow.heard));
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(slow.heard.length).toBeLessThan(quick.heard.length / 2);
}, 60_000);

import { Database } from "bun:sqlite";
import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { openMarket } from "#services/paper-exchange/market/host.ts";
import { client, listenTo } from "#services/paper-exchange/rest.fixture.ts";
import { marketSchema } from "#services/paper-exchange/settings.ts";
import { startVenue, syntheticSettings, type TestVenue } from "#services/paper-exchange/venue.fixture.ts";
import { createManualClock, type ManualClock } from "#shared/clock/manual.ts";
import { decimal } from "#shared/domain/decimal.ts";
import { noFailpoints } from "#shared/service/create-failpoints.ts";
import { REGIMES, regimeAt, tradeAfter } from "./synthetic-price.ts";

const START_MS = Date.UTC(2026, 0, 1, 12, 0, 0, 500);
let venue: TestVenue | null = null;
let clock: ManualClock;

async function open(more: Record<string, unknown> = {}): Promise<TestVenue> {
  clock = createManualClock(START_MS);
  venue = await startVenue({ markets: () => [syntheticSettings(more)], clock });
  return venue;
}
afterEach(async () => {
  await venue?.stop();
  venue = null;
});

/** Moves time on in small steps, so that the driver wakes up in between. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) await clock.advance(50);
}
const rest = async (path: string): Promise<unknown> => (await fetch(`${venue?.url("made-up")}/api/v3/${path}`)).json();
const trades = async () =>
  (await rest("trades?symbol=BTCUSDT&limit=1000")) as { id: number; price: string; qty: string; time: number }[];
const bars = async (interval: string) =>
  (await rest(`klines?symbol=BTCUSDT&interval=${interval}&limit=1000`)) as [number, ...string[]][];

describe("a synthetic market", () => {
  test("trades in wall-clock time, the same for the same seed, and says everywhere that it is made up", async () => {
    const opened = await open();
    await pass(3_000);
    const first = await trades();
    expect(first.length).toBeGreaterThan(8);
    expect(first.map(({ id }) => id)).toEqual(first.map((_, index) => index + 1));
    const info = (await rest("exchangeInfo")) as { symbols: { synthetic: boolean }[] };
    expect(info.symbols[0]?.synthetic).toBe(true);
    const list = await (await fetch(opened.url("made-up").replace(/\/made-up$/, ""))).json();
    expect(list).toMatchObject({ items: [{ kind: "synthetic" }] });
    const state = await (await fetch(`${opened.url("made-up")}/control/state`)).json();
    expect(state).toMatchObject({ phase: "synthetic", halted: false, regime: expect.any(String) });
    await venue?.stop();
    await open();
    await pass(3_000);
    expect((await trades()).map(({ price }) => price)).toEqual(first.map(({ price }) => price));
  });

  test("makes the bars of each time frame of its trades, exactly, and closes them by the clock, also empty ones", async () => {
    await open({ tradeEveryMs: 700 });
    const stream = await listenTo(`${venue?.url("made-up")}/ws/btcusdt@kline_1s`);
    await pass(6_000);
    const listed = (await bars("1s")).filter(([openAtMs]) => openAtMs >= START_MS - 500);
    const all = await trades();
    for (const [openAtMs, open_, high, low, close, volume] of listed) {
      const own = all.filter(({ time }) => time >= openAtMs && time < openAtMs + 1_000);
      const sum = own.reduce((total, { qty }) => total.plus(qty), decimal("0"));
      expect(decimal(volume as string).eq(sum)).toBe(true);
      if (own.length === 0) expect([open_, high, low]).toEqual([close, close, close] as string[]);
      else expect([open_, close]).toEqual([own[0]?.price, own.at(-1)?.price] as string[]);
    }
    expect(listed.map(([openAtMs]) => openAtMs)).toEqual(
      listed.map((_, index) => Math.floor(START_MS / 1_000) * 1_000 + index * 1_000),
    );
    expect(listed.length).toBe(6);
    const closed: number[] = [];
    while (closed.length < 5) {
      const { k } = (await stream.next()) as { k: { x: boolean; t: number } };
      if (k.x) closed.push(k.t);
    }
    expect(closed).toEqual(listed.slice(0, 5).map(([openAtMs]) => openAtMs));
    stream.close();
  });

  test("has a made-up history of each time frame, and goes on after a restart with empty bars for the time it was away", async () => {
    await open();
    for (const interval of ["1s", "1m", "1h", "1d"]) {
      const history = await bars(interval);
      expect(history).toHaveLength(50);
      for (const [, o, h, l, c] of history) {
        expect(decimal(l as string).lte(o as string) && decimal(c as string).lte(h as string)).toBe(true);
      }
    }
    await pass(1_500);
    const before = await trades();
    expect(before.at(-1)?.time).toBeLessThan(START_MS + 1_500);
    // Right after a bar has closed, before the next one has a trade.
    await venue?.restart(() => clock.advance(5_500));
    await pass(1_000);
    const after = await trades();
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.map(({ id }) => id)).toEqual(after.map((_, index) => index + 1));
    const times = (await bars("1s")).map(([openAtMs]) => openAtMs);
    for (const [index, at] of times.entries()) if (index > 0) expect(at - (times[index - 1] ?? 0)).toBe(1_000);
    const [away] = (await bars("1s")).filter(([openAtMs]) => openAtMs === START_MS + 3_500);
    expect(away?.slice(1, 6)).toEqual([...Array.from({ length: 4 }, () => before.at(-1)?.price), "0"] as string[]);
  });

  test("quotes a spread around its last price, in the stream and over REST", async () => {
    await open({ spreadSteps: 3 });
    const stream = await listenTo(`${venue?.url("made-up")}/ws/btcusdt@bookTicker`);
    await pass(1_000);
    const price = decimal((await trades()).at(-1)?.price ?? "0");
    const quotes = [price.minus("0.03").toFixed(), price.plus("0.03").toFixed()];
    expect(await rest("ticker/bookTicker?symbol=BTCUSDT")).toMatchObject({ bidPrice: quotes[0], askPrice: quotes[1] });
    const { b, a } = (await stream.next()) as { b: string; a: string };
    expect(decimal(a).minus(b).toFixed()).toBe("0.06");
    stream.close();
  });

  test("of another seed or first price does not go on with a file, and its first price is on its step", async () => {
    const { folder } = await open();
    for (const more of [{ seed: 8 }, { startPrice: "30001" }]) {
      const other = marketSchema.parse(syntheticSettings(more));
      const opening = openMarket(other, folder, { clock, failpoints: noFailpoints });
      expect(await opening.then(() => "opened", String)).toContain("belongs to a market with other settings");
    }
    const offStep = marketSchema.safeParse(syntheticSettings({ startPrice: "30000.001" }));
    expect(offStep.error?.issues[0]?.message).toBe("must be a multiple of rules.priceStep");
  });

  test.each([
    [
      "startPrice",
      "1".repeat(50),
      "1",
      "0.001",
      "must be of at most 15 digits, counted down to the last of rules.priceStep",
    ],
    [
      "startPrice",
      "1000",
      "0.000000000001",
      "0.001",
      "must be of at most 15 digits, counted down to the last of rules.priceStep",
    ],
    ["rules.priceStep", "0.01", "0.0000000000001", "0.001", "must have at most 12 decimals"],
    ["rules.sizeStep", "30000", "0.01", "1".repeat(50), "must be of at most 15 digits"],
  ])(
    "whose %s its made-up trades cannot hold is refused: %s, %s, %s",
    (field, startPrice, priceStep, sizeStep, message) => {
      const rules = { priceStep, sizeStep, minSize: sizeStep, minNotional: "5" };
      const { error } = marketSchema.safeParse(syntheticSettings({ startPrice, rules }));
      expect(error?.issues.map((issue) => [issue.path.join("."), issue.message])).toEqual([[field, message]]);
    },
  );

  test("may have as many digits as that", () => {
    const rules = { priceStep: "0.000000000001", sizeStep: "0.00000000000001", minSize: "1", minNotional: "5" };
    expect(marketSchema.safeParse(syntheticSettings({ startPrice: "100", rules })).success).toBe(true);
  });

  test("goes on after a kill -9 with the next trade, and its bars are its trades'", async () => {
    const { folder } = await open();
    const file = join(folder, "killed");
    const given = JSON.stringify({
      R3_PAPER_EXCHANGE_MARKETS: JSON.stringify([syntheticSettings({ tradeEveryMs: 20 })]),
      R3_PAPER_EXCHANGE_FOLDER: file,
    });
    const run = async (commits: number): Promise<void> => {
      const fixture = join(import.meta.dir, "../market/killed-venue.fixture.ts");
      const child = Bun.spawn(["bun", fixture, given, String(commits)], { stdout: "ignore" });
      await child.exited;
      expect(child.signalCode).toBe("SIGKILL");
    };
    await run(60);
    await run(60);
    const db = new Database(join(file, "made-up.sqlite"), { readonly: true });
    const ticks = db.query<{ id: number; size: string; atMs: number }, []>("select * from ticks order by id").all();
    const rows = db
      .query<{ openAtMs: number; volume: string; trades: number }, []>(
        "select * from candles where timeFrame = '1s' order by openAtMs",
      )
      .all();
    db.close();
    expect(ticks.length).toBeGreaterThan(80);
    expect(ticks.map(({ id }) => id)).toEqual(ticks.map((_, index) => index + 1));
    const firstMs = Math.floor((ticks[0]?.atMs ?? 0) / 1_000) * 1_000;
    const own = rows.filter(({ openAtMs }) => openAtMs >= firstMs);
    expect(own.map(({ openAtMs }) => openAtMs)).toEqual(own.map((_, index) => firstMs + index * 1_000));
    for (const { openAtMs, volume, trades: count } of own) {
      const within = ticks.filter(({ atMs }) => atMs >= openAtMs && atMs < openAtMs + 1_000);
      const sum = within.reduce((total, { size }) => total.plus(size), decimal("0"));
      expect([count, decimal(volume).eq(sum)]).toEqual([within.length, true]);
    }
  }, 30_000);

  test("fills an order at the first price after its latency", async () => {
    await open({ latencyMs: 1_000, tradeEveryMs: 100 });
    await pass(500);
    const ask = client(venue?.url("made-up") ?? "");
    const order = { symbol: "BTCUSDT", side: "BUY", type: "MARKET", quantity: "0.1", newClientOrderId: "a-1" };
    const signed = { timestamp: String(clock.nowMs()) };
    const placedAtMs = clock.nowMs();
    expect((await ask("POST order", { ...order, ...signed })).body["status"]).toBe("NEW");
    await pass(1_500);
    const { body } = await ask("GET myTrades", { symbol: "BTCUSDT", timestamp: String(clock.nowMs()) });
    const [fill] = body as unknown as { time: number; price: string }[];
    const shown = (await trades()).find(({ time }) => time >= placedAtMs + 1_000);
    expect(fill).toMatchObject({ time: shown?.time, price: shown?.price });
  });
});

describe("the price of a synthetic market", () => {
  const rules = {
    seed: 7,
    startPrice: "30000",
    tradeEveryMs: 200,
    regimeMs: 60_000,
    priceStep: "0.01",
    sizeStep: "0.00001",
  };

  test("sees each regime, stays on its step and above it, and moves as the regime has it", () => {
    const seen = new Map<string, number>();
    let price = "30000";
    for (let tradeId = 0; tradeId < 4_000; tradeId += 1) {
      const atMs = tradeId * 1_000;
      const { regime } = regimeAt(rules, atMs);
      const next = tradeAfter(rules, { price, tradeId, atMs });
      expect(decimal(next.price).mod("0.01").isZero() && decimal(next.price).gt(0)).toBe(true);
      const move = Math.abs(Number(next.price) / Number(price) - 1);
      seen.set(regime, Math.max(seen.get(regime) ?? 0, move));
      price = next.price;
    }
    expect([...seen.keys()].toSorted()).toEqual([...REGIMES].toSorted());
    expect(seen.get("quiet")).toBeLessThan(0.0002);
    expect(seen.get("jump")).toBeGreaterThan(0.009);
    expect(seen.get("trend")).toBeLessThan(0.002);
  });

  test("at its lowest step goes no lower", () => {
    const tiny = { ...rules, startPrice: "0.01" };
    for (let tradeId = 0; tradeId < 200; tradeId += 1)
      expect(Number(tradeAfter(tiny, { price: "0.01", tradeId, atMs: 0 }).price)).toBeGreaterThanOrEqual(0.01);
  });
});

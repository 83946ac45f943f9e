import { Database } from "bun:sqlite";
import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { release, state } from "#services/paper-exchange/control.fixture.ts";
import { client } from "#services/paper-exchange/rest.fixture.ts";
import { marketSettings, startVenue, type TestVenue } from "#services/paper-exchange/venue.fixture.ts";

const started: TestVenue[] = [];
const begin = async () => {
  const venue = await startVenue({ markets: (bars) => [marketSettings(bars, { limit: 50 })] });
  started.push(venue);
  return venue;
};
afterEach(async () => {
  for (const venue of started.splice(0)) await venue.stop();
});

/** In units of 1e-12, so that sums are exact without the engine's own decimals. */
const UNIT = 10n ** 12n;
const text = (units: bigint) => {
  const fraction = (units % UNIT).toString().padStart(12, "0").replace(/0+$/, "");
  return `${units / UNIT}${fraction === "" ? "" : `.${fraction}`}`;
};

async function place(url: string, number: number, side: "BUY" | "SELL", quantity: string): Promise<void> {
  const order = { symbol: "SPXUSD", side, type: "MARKET", quantity, newClientOrderId: `demo0000-${number}` };
  expect((await client(url)("POST order", order)).status).toBe(200);
}

/** Buys 1.2345 after each bar 10 n + 5, sells 1.2332 after each bar 10 n. */
async function trade(url: string, bar: number): Promise<void> {
  if (bar % 5 !== 0 || bar === 0) return;
  if (bar % 10 === 5) await place(url, bar / 5, "BUY", "1.2345");
  else await place(url, bar / 5, "SELL", "1.2332");
}

/** Walks until so many bars are closed, trading after each. */
async function walk(url: string, until: number): Promise<void> {
  let now = await state(url);
  while (now.bar < until) {
    const next = (await release(url, now.step)).state;
    expect(next.step).toBe(now.step + 1);
    if (next.bar > now.bar) await trade(url, next.bar);
    now = next;
  }
}

/** The state after a walk without what differs by run. */
async function resultOf(url: string) {
  const { fills, balances, openOrders, step, orderCount } = await state(url);
  return { fills, balances, openOrders, step, orderCount };
}

/** What the walk has to give, by whole numbers alone: bar b opens at 99 + b. */
function expected(bars: number) {
  let [usd, spx] = [10_000n * UNIT, 0n];
  const fills = [];
  for (let bar = 5; bar < bars; bar += 5) {
    const price = 99n + BigInt(bar + 1);
    const size = bar % 10 === 5 ? 1_234_500_000_000n : 1_233_200_000_000n;
    const quote = size * price;
    const received = bar % 10 === 5 ? size : quote;
    const fee = (received / 1_000n / 10_000n) * 10_000n;
    if (bar % 10 === 5) [usd, spx] = [usd - quote, spx + size - fee];
    else [usd, spx] = [usd + quote - fee, spx - size];
    fills.push({ clientOrderId: `demo0000-${bar / 5}`, price: String(price), quote: text(quote), fee: text(fee) });
  }
  return { fills, usd: text(usd), spx: text(spx) };
}

describe("lockstep", () => {
  test("walks 50 bars: each order fills at the next open, exactly; the last one stays open", async () => {
    const url = (await begin()).url();
    expect(await state(url)).toMatchObject({ step: 0, bar: 0, barCount: 50, phase: "start", halted: true });
    await walk(url, 50);
    const result = await state(url);
    const wanted = expected(50);
    expect(result.fills).toMatchObject(wanted.fills);
    expect(result.balances).toEqual({
      USD: { free: wanted.usd, locked: "0" },
      SPX: { free: expect.any(String), locked: "1.2332" },
    });
    expect(Number(result.balances["SPX"]?.free)).toBeCloseTo(Number(wanted.spx) - 1.2332, 9);
    expect(result).toMatchObject({ finished: true, halted: true, openOrders: ["demo0000-10"], fillCount: 9 });
    expect(result.fills[0]?.atMs).toBe(Date.UTC(2000, 0, 6));
    expect(result.lastClosedBar).toEqual({ openAtMs: Date.UTC(2000, 1, 19), closeAtMs: Date.UTC(2000, 1, 20) });
    expect(await release(url, result.step)).toMatchObject({ status: 409, state: { step: result.step } });
  });

  test("another step than the present one is 409 with the present state, and steps nothing", async () => {
    const url = (await begin()).url();
    expect(await release(url, 1)).toMatchObject({ status: 409, state: { step: 0, bar: 0 } });
    expect(await release(url, 0)).toMatchObject({ status: 200, state: { step: 1, bar: 1 } });
    expect(await release(url, 0)).toMatchObject({ status: 409, state: { step: 1, bar: 1 } });
    const both = await Promise.all([release(url, 1), release(url, 1)]);
    expect(both.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([200, 409]);
    expect((await state(url)).bar).toBe(2);
  });

  test("halts after each price that caused an account event", async () => {
    const url = (await begin()).url();
    const call = client(url);
    const limit = { symbol: "SPXUSD", type: "LIMIT", timeInForce: "GTC", quantity: "1" };
    await call("POST order", { ...limit, side: "BUY", price: "99" });
    await call("POST order", { symbol: "SPXUSD", side: "BUY", type: "MARKET", quantity: "2" });
    await call("POST order", { ...limit, side: "BUY", price: "98.5" });
    const phases = [];
    for (let step = 0; step < 3; step += 1) phases.push((await release(url, step)).state.phase);
    expect(phases).toEqual(["open", "low", "bar-closed"]);
    expect((await state(url)).fills.map(({ price }) => price)).toEqual(["100", "99", "98.5"]);
  });

  test("tells only what is new since a trade id and a terminal order's number", async () => {
    const url = (await begin()).url();
    await walk(url, 20);
    const all = await state(url);
    expect(all).toMatchObject({ fillCount: 3, terminalCount: 3 });
    const since = await state(url, "?sinceTradeId=2&sinceTerminal=1");
    expect(since.fills).toEqual(all.fills.slice(2));
    expect(since.terminalOrders).toEqual(all.terminalOrders.slice(1));
    expect((await fetch(`${url}/control/state?sinceTradeId=x`)).status).toBe(422);
  });
});

describe("a venue that ended goes on exactly where it was", () => {
  test("stopped and started in the middle, with an order open", async () => {
    const whole = (await begin()).url();
    await walk(whole, 50);
    const venue = await begin();
    await walk(venue.url(), 25);
    const before = await state(venue.url());
    await venue.restart();
    expect(await state(venue.url())).toEqual(before);
    await walk(venue.url(), 50);
    expect(await resultOf(venue.url())).toEqual(await resultOf(whole));
  });

  test("killed after each of its commits, before the answer", async () => {
    const whole = (await begin()).url();
    await walk(whole, 12);
    const venue = await begin();
    const file = join(venue.folder, "killed");
    const settings = JSON.stringify({
      R3_PAPER_EXCHANGE_MARKETS: JSON.stringify([marketSettings(venue.bars, { limit: 50 })]),
      R3_PAPER_EXCHANGE_FOLDER: file,
      R3_PAPER_EXCHANGE_CONTROL: "true",
    });
    let kills = 0;
    let bar = 0;
    while (bar < 12) {
      const child = await spawnVenue(settings, 1);
      const at = await state(child.url);
      bar = at.bar;
      const number = bar % 5 === 0 ? bar / 5 : 0;
      const answered =
        number > at.orderCount
          ? await trade(child.url, bar).catch(() => "lost")
          : bar < 12
            ? await release(child.url, at.step).catch(() => "lost")
            : "done";
      if (answered === "done") child.process.kill("SIGKILL");
      else kills += 1;
      expect(answered).toBe(answered === "done" ? "done" : "lost");
      await child.process.exited;
    }
    expect(kills).toBe(12 + 2 + 2);
    const child = await spawnVenue(settings, 0);
    expect(await resultOf(child.url)).toEqual(await resultOf(whole));
    child.process.kill();
    await child.process.exited;
    const db = new Database(join(file, "demo.sqlite"), { readonly: true });
    const numbers = db.query<{ number: number }, []>("select number from events order by number").values().flat();
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    db.close();
  }, 60_000);
});

async function spawnVenue(settings: string, commits: number) {
  const child = Bun.spawn(["bun", join(import.meta.dir, "killed-venue.fixture.ts"), settings, String(commits)], {
    stdout: "pipe",
  });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const port = new TextDecoder().decode(value).trim();
  return { process: child, url: `http://127.0.0.1:${port}/api/paper-exchange/markets/demo` };
}

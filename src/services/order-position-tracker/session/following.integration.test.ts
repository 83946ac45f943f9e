import { describe, expect, test } from "bun:test";
import { pino } from "pino";
import { readFillCursor } from "#services/order-position-tracker/account/fill-cursor-store.ts";
import { createEquityCurve } from "#services/order-position-tracker/money/equity.ts";
import { readUnbooked } from "#services/order-position-tracker/record/unbooked-store.ts";
import { type Desk, useDesks, type World } from "#services/order-position-tracker/tracker.fixture.ts";
import {
  alertsAbout,
  changed,
  fillRows,
  inState,
  LIMIT,
  moneyOf,
  OFTEN,
  place,
  requestOf,
  runSession,
  statesOf,
  venueMoney,
} from "#services/order-position-tracker/tracker-rows.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { VenueFill } from "#shared/exchange/exchange.ts";
import { CANCEL_ORDER } from "#shared/messages/tasks.ts";
import { event, MARKET_CANDLES } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";

let world: World;
let desk: Desk;
useDesks(14, (given) => {
  ({ world, desk } = given);
});

const asked = (what: string) => desk.proxy.passed.filter((one) => one.what === what).length;

/** Someone else with the account's key. */
function outsider(clientOrderId: string, more: object = {}) {
  const { instrument, outside } = desk;
  const order = { instrument, clientOrderId, side: "BUY", style: LIMIT, size: "1" } as const;
  return outside.place({ ...order, signedAtMs: Date.now(), recvWindowMs: 5_000, ...more });
}

const pageOf = (fills: VenueFill[]) => ({
  fills,
  unreadable: [],
  rows: fills.length,
  lastId: fills.at(-1)?.tradeId ?? null,
});

/** An execution that somebody else's order has had. */
function strangeFill(number: number): VenueFill {
  const { venueSymbol } = desk.instrument;
  const ids = { tradeId: String(number), venueOrderId: `strange-${number}`, venueSymbol };
  return { ...ids, side: "BUY", price: "100", size: "1", fee: "0", feeAsset: "USD", maker: false, atMs: number };
}

async function cancel(orderId: string): Promise<void> {
  const task = { task: CANCEL_ORDER, lane: orderId, payload: { orderId, sessionId: "s", reason: "test" }, priority: 0 };
  await world.database.db.transaction((tx) => desk.queue.enqueue(tx, task));
}

describe("fills", () => {
  test("are booked as the user stream tells them, and the money is the venue's to the last digit", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    const buy = await place(world, desk, requestOf(session, 1, { size: "3.1234" }));
    await inState(world, buy, "ACCEPTED");
    await desk.tick("101.37");
    const filled = await inState(world, buy, "FILLED");
    expect(filled).toMatchObject({ averagePrice: "101.37", fees: { SPX: "0.0031234" }, filledSize: "3.1234" });
    const sell = await place(world, desk, requestOf(session, 2, { side: "SELL", size: "1.0001", reduceOnly: true }));
    await inState(world, sell, "ACCEPTED");
    await desk.tick("99.73");
    await inState(world, sell, "FILLED");
    const money = await moneyOf(world, session);
    expect(money).toEqual(await venueMoney(desk));
    expect(money["SPX"]).toEqual(["2.1201766", "2.1201766"]);
  });

  test("that stream and REST both tell count once", async () => {
    await desk.startTracker({ settings: OFTEN });
    const session = await runSession(world, desk);
    const orders = [1, 2, 3].map((number) => requestOf(session, number, { size: "1" }));
    for (const order of orders) {
      await place(world, desk, order);
      await inState(world, order, "ACCEPTED");
      await desk.tick("100");
      await inState(world, order, "FILLED");
    }
    // The venue's own list has been read beyond all three.
    await until(
      async () => (await readFillCursor(world.database.db, desk.marketId, desk.instrument.id))?.tradeId === "3",
    );
    for (const order of orders) {
      expect(await fillRows(world, order)).toHaveLength(1);
      expect(await statesOf(world, order)).toEqual(["SUBMITTED", "ACCEPTED", "FILLED"]);
    }
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
    expect(await alertsAbout(world, session.id)).toEqual([]);
  });

  test("during which the user stream was cut are found when it is back", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    const order = await place(world, desk, requestOf(session, 1));
    await inState(world, order, "ACCEPTED");
    desk.proxy.cutStream();
    await desk.tick("102");
    expect((await desk.outside.fills({ instrument: desk.instrument, limit: 10 })).rows).toBe(1);
    desk.proxy.mendStream();
    await inState(world, order, "FILLED");
    expect(await fillRows(world, order)).toHaveLength(1);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
  });

  test("are found by the timer while the user stream stays away", async () => {
    await desk.startTracker({ settings: OFTEN });
    const session = await runSession(world, desk);
    desk.proxy.cutStream();
    const order = await place(world, desk, requestOf(session, 1));
    await inState(world, order, "ACCEPTED");
    await desk.tick("102");
    await inState(world, order, "FILLED");
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
  });

  test("are found by the timer although another instrument of the account can not be compared", async () => {
    await world.database.db.sql`
      insert into order_position_tracker.fill_cursors values (${desk.marketId}, 'AAA-UNKNOWN.nowhere', null, null, true)`;
    await desk.startTracker({ settings: OFTEN });
    const session = await runSession(world, desk);
    desk.proxy.cutStream();
    const order = await place(world, desk, requestOf(session, 1));
    await inState(world, order, "ACCEPTED");
    await desk.tick("102");
    await inState(world, order, "FILLED");
  });

  test("that the user stream garbles are left out with an alert; the later ones and the venue's list are booked", async () => {
    let garbled = 0;
    await desk.startTracker({
      account: (account) =>
        changed(account, {
          follow: (follow) =>
            account.follow({
              ...follow,
              onEvent(told) {
                if (told.fill === undefined || garbled++ > 0) return follow.onEvent(told);
                follow.onEvent({ ...told, fill: { ...told.fill, price: "a price" } });
              },
            }),
        }),
    });
    const session = await runSession(world, desk);
    await until(async () => desk.proxy.heard >= 2);
    const orders = [1, 2].map((number) => requestOf(session, number, { size: "1" }));
    for (const order of orders) await inState(world, await place(world, desk, order), "ACCEPTED");
    await desk.tick("101");
    for (const order of orders) await inState(world, order, "FILLED");
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
    expect(await alertsAbout(world, desk.marketId)).toEqual(["EXECUTION_NOT_BOOKED"]);
    expect(await readUnbooked(world.database.db, desk.marketId, 10)).toEqual([]);
  });
});

describe("a cancel", () => {
  test("ends an open order with what was filled until then", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, order, "ACCEPTED");
    await cancel(order.id);
    await inState(world, order, "CANCELED");
    expect(await statesOf(world, order)).toEqual(["SUBMITTED", "ACCEPTED", "PENDING_CANCEL", "CANCELED"]);
    expect(await desk.outside.openOrders(desk.instrument)).toEqual([]);
  });

  test("that comes after the fill changes nothing, and the fill is booked", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT }));
    await inState(world, order, "ACCEPTED");
    desk.proxy.cutStream();
    await desk.tick("50");
    await cancel(order.id);
    await inState(world, order, "FILLED");
    expect(await fillRows(world, order)).toHaveLength(1);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
  });
});

describe("what others do with the account", () => {
  test("is reported with one alert for each order and fill, and what was there before with none", async () => {
    await outsider("before-1", { style: { type: "MARKET" } });
    await desk.tick("100");
    await desk.startTracker({ settings: OFTEN });
    const session = await runSession(world, desk, { capital: "990000" });
    await until(async () => desk.proxy.heard >= 2);
    expect(await alertsAbout(world, desk.marketId)).toEqual([]);
    await outsider("other-1");
    await outsider("other-2", { style: { type: "MARKET" } });
    await desk.tick("100");
    await until(async () => (await alertsAbout(world, desk.marketId)).length >= 2);
    const before = asked("GET myTrades");
    await until(async () => asked("GET myTrades") >= before + 2);
    const alerts = await alertsAbout(world, desk.marketId);
    expect(alerts.filter((code) => code === "FOREIGN_ORDER")).toHaveLength(1);
    expect(alerts.filter((code) => code === "FOREIGN_FILL")).toHaveLength(1);
    expect(alerts).toHaveLength(2);
    expect((await moneyOf(world, session))["SPX"]).toBeUndefined();
  });

  test("is silent about a history of several pages, and not about what comes after it", async () => {
    const history = Array.from({ length: 1_001 }, (_, index) => strangeFill(index + 1));
    await desk.startTracker({
      settings: OFTEN,
      account: (account) =>
        changed(account, {
          fills: async ({ fromId = "1", limit }) =>
            pageOf(history.slice(Number(fromId) - 1, Number(fromId) - 1 + limit)),
          orderByVenueId: async () => null,
        }),
    });
    await runSession(world, desk);
    expect((await readFillCursor(world.database.db, desk.marketId, desk.instrument.id))?.tradeId).toBe("1001");
    expect(await alertsAbout(world, desk.marketId)).toEqual([]);
    history.push(strangeFill(1_002));
    await until(async () => (await alertsAbout(world, desk.marketId)).length > 0);
    expect(await alertsAbout(world, desk.marketId)).toEqual(["FOREIGN_FILL"]);
  });
});

describe("the equity curve", () => {
  test("has a point for each candle, also for those whose messages were lost", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    const order = await place(world, desk, requestOf(session, 1, { size: "10" }));
    await inState(world, order, "ACCEPTED");
    await desk.tick("100");
    await inState(world, order, "FILLED");
    for (let n = 1; n <= 12; n += 1) desk.candles.push(candleOf(n));
    const shown = desk.candles.filter(({ n }) => n === 1 || n === 5 || n === 12);
    for (const candle of [...shown, ...shown]) {
      await desk.bus.publishVolatile([event(MARKET_CANDLES, desk.instrument.id, "market.candle", candle)]);
    }
    const points = await until(async () => {
      const rows = await world.database.db.sql<{ candle_n: number; equity: string }[]>`
        select candle_n, equity from order_position_tracker.equity_points
        where session_id = ${session.id} order by candle_n`;
      return rows.length >= 12 && rows;
    });
    expect(points.map((point) => point.candle_n)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
    // 10 bought at 100, 0.01 of them the fee: cash 999,000 and 9.99 at the close of candle 12.
    expect(Number(points.at(-1)?.equity)).toBe(999_000 + 9.99 * 112);
  });

  test("keeps nobody waiting while a hole can not be closed, and closes it with the candle that is repeated", async () => {
    const away = () => Promise.reject(new AppError("SERVICE_UNAVAILABLE", "transient", "market-data is away."));
    await desk.startTracker();
    const session = await runSession(world, desk);
    const { db } = world.database;
    const curve = createEquityCurve({ db, log: silent, clients: { marketData: { candles: away } } } as unknown as Deps);
    const countPoints = async () =>
      (await db.sql`select from order_position_tracker.equity_points where session_id = ${session.id}`).count;
    await curve.follow([candleOf(3)]);
    expect(await countPoints()).toBe(0);
    for (let n = 1; n <= 3; n += 1) desk.candles.push(candleOf(n));
    await desk.bus.publishVolatile([event(MARKET_CANDLES, desk.instrument.id, "market.candle", candleOf(3))]);
    await until(async () => (await countPoints()) === 3);
  });
});

const silent = pino({ level: "silent" });

function candleOf(n: number): Candle {
  const price = String(100 + n);
  const series = { instrumentId: desk.instrument.id, timeFrame: "1m", source: "bars" } as const;
  const prices = { open: price, high: price, low: price, close: price, volume: "1" };
  return { ...series, n, closed: true, openAtMs: n * 60_000, closeAtMs: (n + 1) * 60_000, ...prices, receivedAtMs: 1 };
}

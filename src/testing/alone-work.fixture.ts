import { orderRequestOf, signalOf } from "#shared/domain/domain.fixture.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { DECIDE_SIGNAL, PLACE_ORDER } from "#shared/messages/tasks.ts";
import { event, MARKET_BARS, MARKET_CANDLES } from "#shared/messages/topics.ts";
import { eventually, type RunningProcess } from "./alone.fixture.ts";
import { barOf, candleOf } from "./alone-neighbours.fixture.ts";
import { callVenue, release, startVenue, venueSettings } from "./alone-venue.fixture.ts";
import { putReferences, SESSION, type World } from "./alone-world.fixture.ts";

const SIGNAL = signalOf(SESSION, { marketAtMs: 1 });
const ORDER = orderRequestOf(SESSION, 1, { signalId: SIGNAL.id });

/** What a service is given to do, and what is seen of it afterwards. */
export interface Work {
  /** Lays down what has to be there before the service starts; may start others. */
  before?(world: World): Promise<RunningProcess | undefined>;
  /** Gives it one message, task or request, and resolves with what came of it. */
  give(world: World, url: string, venueUrl: string): Promise<unknown>;
  comesTo: unknown;
}

async function json(url: string, body?: unknown): Promise<Record<string, unknown>> {
  const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return (await (await fetch(url, body === undefined ? {} : post)).json()) as Record<string, unknown>;
}

const itemsOf = async (url: string) => (await json(url))["items"] as Record<string, unknown>[];

async function sessionAlone(world: World): Promise<undefined> {
  await putReferences(world);
}

async function sessionAtVenue(world: World): Promise<RunningProcess> {
  await putReferences(world);
  return await startVenue(world);
}

/** One piece of real work for each service, through the real servers. */
export const WORK: Readonly<Record<string, Work>> = {
  "session-manager": {
    async give({ db }, url) {
      const { name, strategy, instrumentIds, timeFrame, accountId, capital, riskPolicy } = SESSION;
      const wanted = { name, strategy, instrumentIds, timeFrame, accountId, capital, riskPolicy };
      const { id } = await json(`${url}/api/session-manager/sessions`, wanted);
      return await db.sql`
        select type, envelope -> 'data' -> 'session' ->> 'state' as state, envelope -> 'data' -> 'session' -> 'params' as params
        from bus.log where topic = 'sessions' and key = ${String(id)}`;
    },
    comesTo: [{ type: "session.changed", state: "CREATED", params: { fast: 10, slow: 30 } }],
  },
  "strategy-executor": {
    before: sessionAlone,
    async give({ db, bus }) {
      const closes = ["100", "110"].map((close, index) => candleOf(index + 1, close));
      const signal = await eventually("a signal", async () => {
        await bus.publishVolatile(closes.map((candle) => event(MARKET_CANDLES, spx.id, "market.candle", candle)));
        const [row] = await db.sql`select payload -> 'signal' as signal from queue.tasks where queue = 'risk-manager'`;
        return row?.["signal"] as typeof SIGNAL | undefined;
      });
      return { intent: signal.intent, candleN: signal.candleN, marks: signal.marks };
    },
    comesTo: { intent: SIGNAL.intent, candleN: 2, marks: { [spx.id]: "110" } },
  },
  "risk-manager": {
    before: sessionAlone,
    async give({ db, queue }, url) {
      await db.transaction((tx) =>
        queue.enqueue(tx, { task: DECIDE_SIGNAL, lane: SESSION.id, payload: { signal: SIGNAL } }),
      );
      const [decision] = await eventually("a decision", async () => {
        const items = await itemsOf(`${url}/api/risk-manager/decisions?sessionId=${SESSION.id}`);
        return items.length > 0 && items;
      });
      const tasks =
        await db.sql`select type, payload -> 'order' ->> 'size' as size from queue.tasks where type = 'place-order'`;
      return { kind: decision?.["kind"], tasks: [...tasks] };
    },
    comesTo: { kind: "approved", tasks: [{ type: "place-order", size: "94.905" }] },
  },
  "order-position-tracker": {
    before: sessionAtVenue,
    async give({ db, queue }, url, venueUrl) {
      const order = () => itemsOf(`${url}/api/order-position-tracker/orders?sessionId=${SESSION.id}`);
      await db.transaction((tx) => queue.enqueue(tx, { task: PLACE_ORDER, lane: ORDER.id, payload: { order: ORDER } }));
      await eventually("the order accepted", async () => (await order())[0]?.["state"] === "ACCEPTED");
      await release(venueUrl);
      const filled = await eventually("the order filled", async () =>
        (await order()).find(({ state }) => state === "FILLED"),
      );
      return { price: filled["averagePrice"], fees: filled["fees"] };
    },
    comesTo: { price: "100", fees: { SPX: "0.002" } },
  },
  "data-collect": {
    before: sessionAtVenue,
    async give({ bus }, _url, venueUrl) {
      const heard: unknown[] = [];
      const tail = bus.tail({
        topic: MARKET_BARS,
        from: "now",
        handle: (events) => void heard.push(...events.map(({ data }) => data)),
      });
      await tail.ready;
      await release(venueUrl);
      const bar = (await eventually("a bar", () => heard[0])) as { openAtMs: number; close: string };
      await tail.close();
      return { openAtMs: bar.openAtMs, close: bar.close };
    },
    comesTo: { openAtMs: Date.UTC(2000, 0, 1), close: "100" },
  },
  "market-data": {
    async give({ bus, neighbours }, url) {
      neighbours.bars.push(barOf(1, "100"), barOf(2, "110"));
      const series = { instrumentId: spx.id, timeFrame: "1d", source: "bars", history: 2 };
      await json(`${url}/api/market-data/series`, series);
      await bus.publishVolatile([event(MARKET_BARS, spx.id, "market.bar", barOf(3, "120"))]);
      const page = `${url}/api/market-data/candles?instrumentId=${encodeURIComponent(spx.id)}&timeFrame=1d`;
      const candles = await eventually("the third candle", async () => {
        const items = await itemsOf(page);
        return items.length > 2 && items;
      });
      return candles.map(({ n, close }) => ({ n, close }));
    },
    comesTo: ["100", "110", "120"].map((close, index) => ({ n: index + 1, close })),
  },
  backtest: {
    async give({ neighbours }, url) {
      neighbours.candles.push(...["100", "110", "111"].map((close, index) => candleOf(index + 1, close)));
      const { strategy, params, timeFrame, capital, riskPolicy } = SESSION;
      const wanted = { strategy, params, timeFrame, capital, riskPolicy, instrumentId: spx.id };
      const { id } = await json(`${url}/api/backtest/runs`, wanted);
      const runUrl = `${url}/api/backtest/runs/${String(id)}`;
      const done = await eventually("the run over", async () => {
        const run = await json(runUrl);
        return (run["state"] === "DONE" || run["state"] === "FAILED") && run;
      });
      const orders = (await itemsOf(`${runUrl}/orders`)).map(({ side, averagePrice }) => ({ side, averagePrice }));
      return { state: done["state"], bars: done["bars"], orders };
    },
    comesTo: { state: "DONE", bars: 3, orders: [{ side: "BUY", averagePrice: "111" }] },
  },
  "paper-exchange": {
    async before(world) {
      // It stands outside the engine: neither server is there for it.
      world.settings = venueSettings(world.folder);
      return undefined;
    },
    async give(_world, url) {
      const order = { side: "BUY", type: "MARKET", quantity: "2", newClientOrderId: ORDER.clientOrderId };
      const placed = await callVenue(url, ["POST", "order"], order);
      await release(url);
      const filled = await callVenue(url, ["GET", "order"], { origClientOrderId: ORDER.clientOrderId });
      return [placed["status"], filled["status"], filled["cummulativeQuoteQty"]];
    },
    comesTo: ["NEW", "FILLED", "200"],
  },
};

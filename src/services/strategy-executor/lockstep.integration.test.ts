import { afterAll, beforeAll, expect, test } from "bun:test";
import { applyFill, createBook, heldOf } from "#shared/accounting/book.ts";
import { barsOf, percentPolicy } from "#shared/backtest/backtest.fixture.ts";
import { runBacktest } from "#shared/backtest/run.ts";
import { columnsOf } from "#shared/candles/columns.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { type Decimal, decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import { createMatcher, type MatchedFill } from "#shared/matching/matcher.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { type ApprovedOrder, decide } from "#shared/risk/decide.ts";
import { smaCross } from "#strategies/sma-cross.ts";
import {
  candleOf,
  type Replica,
  runRow,
  shardSession,
  signalsOf,
  startReplica,
  untilCandle,
  worldOf,
} from "./executor.fixture.ts";

const BARS = 160;
const PARAMS = { fast: 2, slow: 5 };
const POLICY = percentPolicy("95");
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => database.drop());

/** A price path with many crossings, the same on every run. */
const closes = Array.from(
  { length: BARS },
  (_, index) => Math.round(10_000 + 900 * Math.sin(index * 1.1) + 37 * index) / 100,
);
const bars = barsOf(closes);

/** What risk and tracker would do, by the shared rules, with the events they would publish. */
function createMarket(sessionId: string) {
  const matcher = createMatcher({ instrument: spx });
  let book = createBook(decimal("10000"));
  const orders: { id: string; signalId: string; side: string; size: Decimal }[] = [];
  const event = (type: string, order: (typeof orders)[number], state: string, execution?: MatchedFill) => ({
    topic: "orders",
    type,
    key: sessionId,
    data: {
      order: { id: order.id, signalId: order.signalId, state },
      ...(execution && {
        fill: {
          ...execution,
          instrumentId: spx.id,
          price: plain(execution.price),
          size: plain(execution.size),
          fee: plain(execution.fee),
        },
      }),
    },
  });
  return {
    orders,
    /** Shows the open of a bar. */
    open: (price: string) =>
      matcher.show(decimal(price), 0).map((execution) => {
        book = applyFill(book, execution, spx);
        return event("order.filled", orders[Number(execution.orderId)] as (typeof orders)[number], "FILLED", execution);
      }),
    /** Decides a signal at a close. */
    decide(signal: ReturnType<typeof signalsOf>[number]) {
      const mark = decimal(signal.marks[spx.id] as string);
      const input = { intent: signal.intent, mark, policy: POLICY, instrument: spx, book };
      const decision = decide({ ...input, reserved: { quote: ZERO, base: ZERO } });
      if (decision.kind === "denied") throw new Error(decision.reason);
      const { side, style } = decision;
      const [{ size }] = decision.orders as [ApprovedOrder];
      const order = { id: String(orders.length), signalId: signal.id, side, size };
      orders.push(order);
      matcher.submit({ orderId: order.id, side, style, size });
      return event("order.changed", order, "INITIALIZED");
    },
    position: () => heldOf(book, spx.id),
  };
}

test("with leaders that die in their transactions, its orders are the backtest's", async () => {
  const dies = new Set([7, 8, 31, 64, 65, 66, 120]);
  const died: number[] = [];
  const world = worldOf(database, [smaCross]);
  world.failpoint = ({ bar = 0 }) => {
    if (!dies.has(bar)) return;
    died.push(bar);
    throw new Error("died");
  };
  await putInstrument(world.database.db.sql, spx);
  const session = shardSession({
    strategy: "sma-cross",
    strategyVersion: smaCross.version,
    params: PARAMS,
    riskPolicy: POLICY,
  });
  await putSession(world.database.db.sql, session);
  let replica: Replica = await startReplica(world);
  await until(async () => (await runRow(world, session.id))?.phase === "READY");
  const market = createMarket(session.id);
  for (const [index, bar] of bars.entries()) {
    const n = index + 1;
    const fills = market.open(bar.open);
    if (fills.length > 0) await replica.deliver(fills);
    const candle = candleOf(n, bar.close, { ...bar });
    world.candles.push(candle);
    replica.show(candle);
    if (dies.has(n)) {
      await until(async () => died.includes(n));
      dies.delete(n);
      await replica.kill();
      replica = await startReplica(world);
    }
    await untilCandle(world, session.id, n);
    const fresh = await until(async () => {
      const row = (await runRow(world, session.id)) as unknown as { signals: number };
      const signals = signalsOf(world, session.id);
      return signals.length === row.signals && signals;
    });
    if (fresh.length > market.orders.length)
      await replica.deliver([market.decide(fresh.at(-1) as (typeof fresh)[number])]);
  }
  await replica.kill();
  const columns = columnsOf(bars);
  const input = { definition: smaCross, params: PARAMS, instrument: spx, columns, firstN: 1 };
  const expected = runBacktest({ ...input, capital: decimal("10000"), policy: POLICY });
  const words = (orders: readonly { side: string; size: Decimal }[]) =>
    orders.map(({ side, size }) => `${side} ${plain(size)}`);
  expect(words(market.orders)).toEqual(words(expected.orders));
  expect(market.orders.length).toBeGreaterThan(30);
  expect(plain(market.position())).toBe(plain(heldOf(expected.book, spx.id)));
  expect(dies.size).toBe(0);
}, 30_000);

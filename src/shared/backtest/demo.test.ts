import { beforeAll, describe, expect, test } from "bun:test";
import { parse } from "csv-parse/sync";
import { columnsOf } from "#shared/candles/columns.fixture.ts";
import { decimal, normalize, plain } from "#shared/domain/decimal.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { smaCross } from "#strategies/sma-cross.ts";
import { percentPolicy } from "./backtest.fixture.ts";
import { type BacktestOrderJson, equityPoints, orderToJson } from "./result.ts";
import { runBacktest } from "./run.ts";
import { tradesOf, tradeToJson } from "./trades.ts";

interface Row {
  date: string;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
}

const DAY_MS = 86_400_000;

/** Scaled integers, and nothing of the engine: prices by 10^6, sizes by 10^8, cash by 10^14. */
const price = (text: string) => BigInt(text.replace(".", "").padEnd(text.indexOf(".") + 6, "0"));
const text = (value: bigint, decimals: number) => {
  const digits = value.toString().padStart(decimals + 1, "0");
  const fraction = digits.slice(-decimals).replace(/0+$/, "");
  return digits.slice(0, -decimals) + (fraction === "" ? "" : `.${fraction}`);
};
const STEP = 10_000n;
const CASH = 10n ** 14n;

/** The demo computed from its rules with integers alone. */
function compute(rows: readonly Row[]): { orders: BacktestOrderJson[]; equity: string[] } {
  const orders: BacktestOrderJson[] = [];
  const equity: string[] = [];
  const closes = rows.map((row) => Number(row.close));
  let [cash, held] = [10_000n * CASH, 0n];
  let open: { side: "BUY" | "SELL"; size: bigint } | null = null;
  const average = (end: number, n: number) => {
    let sum = 0;
    for (let at = end - n; at < end; at += 1) sum += closes[at] as number;
    return sum / n;
  };
  rows.forEach((row, index) => {
    if (open !== null) {
      const amount = open.size * price(row.open);
      const buys = open.side === "BUY";
      // A fee keeps 8 decimals: the size has those already, the proceeds have 14.
      const fee = buys ? open.size / 1_000n : amount / 1_000n / 1_000_000n;
      cash += buys ? -amount : amount - fee * 1_000_000n;
      held += buys ? open.size - fee : -open.size;
      const order = orders.at(-1) as BacktestOrderJson;
      order.state = "FILLED";
      order.filled = order.size;
      order.averagePrice = text(price(row.open), 6);
      order.fee = text(fee, 8);
      order.feeAsset = buys ? "SPX" : "USD";
      order.filledAtMs = Date.parse(`${row.date}T00:00:00Z`);
      open = null;
    }
    const close = price(row.close);
    const worth = cash + held * close;
    equity.push(text(worth, 14));
    if (index < 29) return;
    const flat = held < STEP || held * close < 10n * CASH;
    const [fast, slow] = [average(index + 1, 10), average(index + 1, 30)];
    const long = fast - slow > 1e-12 * Math.max(fast, slow);
    if (long !== flat) return;
    // size * close * 1.001 <= 0.95 * equity
    const steps = long ? (worth * 95n * 10n) / (STEP * close * 1_001n) : held / STEP;
    const size = steps * STEP;
    if (size * close < 10n * CASH) return;
    open = { side: long ? "BUY" : "SELL", size };
    orders.push({
      number: orders.length + 1,
      side: open.side,
      type: "MARKET",
      size: text(size, 8),
      state: "OPEN",
      filled: "0",
      averagePrice: null,
      fee: null,
      feeAsset: null,
      filledAtMs: null,
    });
  });
  return { orders, equity };
}

/** What an order that is filled has brought in, in the quote asset, its fee there taken. */
function cashOf({ side, filled, averagePrice, fee, feeAsset }: BacktestOrderJson) {
  const notional = decimal(filled).times(averagePrice ?? "0");
  return (side === "SELL" ? notional : notional.negated()).minus(feeAsset === spx.quote ? (fee ?? "0") : "0");
}

describe("the demo's backtest over twenty years of the S&P 500", () => {
  let rows: Row[] = [];
  beforeAll(async () => {
    const file = Bun.file(new URL("../../../node_modules/vega-datasets/data/sp500-2000.csv", import.meta.url));
    rows = parse(await file.text(), { columns: true });
  });

  const backtest = (bars: readonly Row[]) => {
    const columns = columnsOf(
      bars.map((row) => {
        const openAtMs = Date.parse(`${row.date}T00:00:00Z`);
        return { ...row, openAtMs, closeAtMs: openAtMs + DAY_MS };
      }),
    );
    const capital = decimal("10000");
    const policy = percentPolicy("95");
    const params = { fast: 10, slow: 30 };
    const run = runBacktest({ definition: smaCross, params, instrument: spx, columns, firstN: 1, capital, policy });
    return { run, points: [...equityPoints({ columns, capital, fills: run.fills })] };
  };

  test.each([600, 5_000, Number.MAX_SAFE_INTEGER])(
    "agrees with integers alone, over %p bars, to the last digit",
    (n) => {
      const bars = rows.slice(0, n);
      const { run, points } = backtest(bars);
      const expected = compute(bars);
      expect(run.orders.map(orderToJson)).toEqual(expected.orders);
      expect(points.map(({ equity }) => plain(equity))).toEqual(expected.equity);
      expect(points.length).toBe(bars.length);
      expect(run.orders.length).toBeGreaterThan(10);
    },
  );

  test("its trades are a purchase and the sale that follows it, as the orders tell", () => {
    const { run } = backtest(rows);
    const { trades } = tradesOf({ fills: run.fills, instrument: spx, capital: decimal("10000"), bars: rows.length });
    const filled = run.orders.map(orderToJson).filter(({ state }) => state === "FILLED");
    const told: (string | number | null)[][] = trades.map((_, index) => {
      const [bought, sold] = filled.slice(2 * index, 2 * index + 2) as [BacktestOrderJson, BacktestOrderJson];
      const profit = cashOf(sold).plus(cashOf(bought));
      return [bought.filledAtMs, bought.averagePrice, sold.filledAtMs, sold.averagePrice, plain(profit)];
    });
    const listed = trades.map(tradeToJson);
    const made = listed.map((one) => [one.openedAtMs, one.entryPrice, one.closedAtMs, one.exitPrice, one.profit]);
    expect(told).toEqual(made);
    expect(listed.map(({ number }) => number)).toEqual(trades.map((_, index) => index + 1));
    expect(trades.length).toBeGreaterThan(50);
  });

  test("an order of the last bar stays open: filled 0, no average, fee or time", () => {
    const { run } = backtest(rows);
    const decided = run.orders[3]?.bar as number;
    const last = backtest(rows.slice(0, decided + 1)).run.orders.at(-1);
    expect(last && orderToJson(last)).toMatchObject({ number: 4, state: "OPEN", filled: "0", averagePrice: null });
    expect(last && orderToJson(last)).toMatchObject({ fee: null, feeAsset: null, filledAtMs: null });
  });

  test("every market time is the open of the bar after the decision", () => {
    for (const { bar, fill } of backtest(rows.slice(0, 600)).run.orders) {
      if (fill === null) continue;
      const next = rows[bar + 1] as Row;
      expect(fill.execution.atMs).toBe(Date.parse(`${next.date}T00:00:00Z`));
      expect(plain(fill.execution.price)).toBe(normalize(next.open));
    }
  });
});

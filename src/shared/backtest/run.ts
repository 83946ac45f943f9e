import { applyFill, type Book, createBook, heldOf } from "#shared/accounting/book.ts";
import type { CandleColumns } from "#shared/candles/columns.ts";
import { type Decimal, decimal, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { RiskPolicy } from "#shared/domain/session.ts";
import type { DenialCode, Intent, OrderStyle, Side } from "#shared/domain/signal.ts";
import { barPath } from "#shared/matching/bar-path.ts";
import { createMatcher, type MatchedFill, type Matcher } from "#shared/matching/matcher.ts";
import { canSettle } from "#shared/matching/settlement.ts";
import { decide } from "#shared/risk/decide.ts";
import { type BarName, candleName, guarded, strategyError } from "#shared/strategy/failing.ts";
import { createStrategyRuntime, type StrategyRuntime } from "#shared/strategy/runtime.ts";
import type { StrategyBar, StrategyDefinition } from "#shared/strategy/strategy.ts";

/** What a backtest is made from: what a session is made from, and its candles. */
export interface BacktestInput {
  definition: StrategyDefinition;
  params: unknown;
  instrument: Instrument;
  columns: CandleColumns;
  /** Number of the first candle. */
  firstN: number;
  /** In the quote asset. */
  capital: Decimal;
  policy: RiskPolicy;
  /** Called now and then with how many bars are done. */
  onProgress?: (bars: number) => void;
}

/** An order of a backtest. OPEN: the data ended before a price could fill it. EXPIRED: it ended without a fill. */
export interface BacktestOrder {
  number: number;
  side: Side;
  style: OrderStyle;
  size: Decimal;
  state: "OPEN" | "FILLED" | "EXPIRED";
  /** Index of the bar at whose close it was decided. */
  bar: number;
  fill: BacktestFill | null;
}

/** An execution, with cash and holding after it. `bar` is the index of the bar whose price filled it. */
export interface BacktestFill {
  bar: number;
  execution: MatchedFill;
  /** In the quote asset. */
  cash: Decimal;
  /** In the base asset. */
  size: Decimal;
}

export interface BacktestRun {
  orders: BacktestOrder[];
  fills: BacktestFill[];
  /** How often risk said no, by code. */
  denials: Map<DenialCode, number>;
  /** The book at the end. */
  book: Book;
}

const NOTHING_RESERVED = { quote: ZERO, base: ZERO };
const BARS_BETWEEN_REPORTS = 1 << 16;

interface Simulation extends BacktestRun {
  input: BacktestInput;
  runtime: StrategyRuntime;
  matcher: Matcher;
}

/**
 * Runs a strategy over candles in lockstep, as a session on a replay venue does: each bar shows its prices to what rests,
 * then closes; the strategy sees the closed bar; what it asks for is sized at that close by the session's own risk rules and
 * takes effect at the next price shown, the next bar's open. Money is exact; the loop itself touches decimals only where an
 * order is made or filled. A strategy that asks for forming bars sees closed ones only. Throws what the
 * strategy throws, and where it remembers what is not JSON.
 */
export function runBacktest(input: BacktestInput): BacktestRun {
  const { definition, params, instrument, columns } = input;
  const simulation: Simulation = {
    input,
    runtime: createStrategyRuntime({ definition, params, instrument }),
    matcher: createMatcher({ instrument }),
    orders: [],
    fills: [],
    denials: new Map(),
    book: createBook(input.capital),
  };
  for (let from = 0; from < columns.length; from += BARS_BETWEEN_REPORTS) {
    const to = Math.min(from + BARS_BETWEEN_REPORTS, columns.length);
    runBars(simulation, from, to);
    // What a session of it could not save fails here too.
    guarded(`could not be saved after ${candleName(barName(input, to - 1))}`, () => simulation.runtime.snapshot());
    input.onProgress?.(to);
  }
  const { orders, fills, denials, book } = simulation;
  return { orders, fills, denials, book };
}

function barName({ firstN, columns }: BacktestInput, index: number): BarName {
  return { n: firstN + index, closeAtMs: columns.closeAtMs[index] as number };
}

function runBars(simulation: Simulation, from: number, to: number): void {
  const { runtime, matcher } = simulation;
  const { firstN, columns } = simulation.input;
  const { open, high, low, close, volume, openAtMs, closeAtMs } = columns;
  const bar: StrategyBar = {
    n: 0,
    openAtMs: 0,
    closeAtMs: 0,
    open: 0,
    high: 0,
    low: 0,
    close: 0,
    volume: 0,
    closed: true,
  };
  for (let index = from; index < to; index += 1) {
    if (matcher.restingCount > 0) showBar(simulation, index);
    bar.n = firstN + index;
    bar.openAtMs = openAtMs[index] as number;
    bar.closeAtMs = closeAtMs[index] as number;
    bar.open = open[index] as number;
    bar.high = high[index] as number;
    bar.low = low[index] as number;
    bar.close = close[index] as number;
    bar.volume = volume[index] as number;
    try {
      runtime.feed(bar);
    } catch (error) {
      throw strategyError(`failed at ${candleName(bar)}`, error);
    }
    const intent = runtime.intent("all");
    if (intent !== null) place(simulation, intent, index);
  }
}

/** Sizes an intent at the close of a bar and, where risk approves, sends its orders. */
function place(simulation: Simulation, intent: Intent, index: number): void {
  const { input, runtime, matcher, orders, denials, book } = simulation;
  const { policy, instrument, columns } = input;
  const mark = decimal(String(columns.close[index]));
  const decision = decide({ intent, mark, policy, instrument, book, reserved: NOTHING_RESERVED });
  if (decision.kind === "denied") {
    denials.set(decision.code, (denials.get(decision.code) ?? 0) + 1);
    return;
  }
  const { side, style } = decision;
  for (const { size } of decision.orders) {
    const number = orders.length + 1;
    orders.push({ number, side, style, size, state: "OPEN", bar: index, fill: null });
    matcher.submit({ orderId: String(number), side, style, size });
  }
  runtime.setBusy(true);
}

/** Shows the prices of a bar, one after the other, for as long as something rests. */
function showBar(simulation: Simulation, index: number): void {
  const { columns } = simulation.input;
  const open = String(columns.open[index]);
  const openAtMs = columns.openAtMs[index] as number;
  show(simulation, { bar: index, price: decimal(open), atMs: openAtMs });
  if (simulation.matcher.restingCount === 0) return;
  const [high, low, close] = [String(columns.high[index]), String(columns.low[index]), String(columns.close[index])];
  const path = barPath({ open, high, low, close, openAtMs, closeAtMs: columns.closeAtMs[index] as number });
  for (const { price, atMs } of path.slice(1)) show(simulation, { bar: index, price: decimal(price), atMs });
}

function show(simulation: Simulation, at: { bar: number; price: Decimal; atMs: number }): void {
  const { matcher } = simulation;
  for (const execution of matcher.show(at.price, at.atMs)) settle(simulation, execution, at.bar);
  for (const orderId of matcher.expired) end(simulation, orderId, "EXPIRED");
}

/** Books an execution that can be paid for; the order of one that can not expires, as it does at the venue. */
function settle(simulation: Simulation, execution: MatchedFill, bar: number): void {
  const { book, runtime, fills } = simulation;
  const { instrument } = simulation.input;
  const available = { base: heldOf(book, instrument.id), quote: book.cash };
  if (!canSettle(execution, available)) {
    end(simulation, execution.orderId, "EXPIRED");
    return;
  }
  simulation.book = applyFill(book, execution, instrument);
  const size = heldOf(simulation.book, instrument.id);
  const fill = { bar, execution, cash: simulation.book.cash, size };
  fills.push(fill);
  runtime.setPosition(size);
  end(simulation, execution.orderId, "FILLED").fill = fill;
}

function end(simulation: Simulation, orderId: string, state: "FILLED" | "EXPIRED"): BacktestOrder {
  const order = simulation.orders[Number(orderId) - 1] as BacktestOrder;
  order.state = state;
  simulation.runtime.setBusy(simulation.matcher.restingCount > 0);
  return order;
}

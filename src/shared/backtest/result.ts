import { equityOf, positionOf } from "#shared/accounting/book.ts";
import type { CandleColumns } from "#shared/candles/columns.ts";
import { type Decimal, decimal, plain } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { BacktestFill, BacktestOrder } from "./run.ts";

/** An order of a backtest on the wire. `averagePrice`, fee and time are null while it has no fill. */
export interface BacktestOrderJson {
  number: number;
  side: "BUY" | "SELL";
  type: "MARKET" | "LIMIT";
  size: string;
  state: "OPEN" | "FILLED" | "EXPIRED";
  filled: string;
  averagePrice: string | null;
  fee: string | null;
  feeAsset: string | null;
  /** Market time of the fill. */
  filledAtMs: number | null;
}

/** An order on the wire: decimals as text. Orders fill whole, so the average price is the price of the one fill. */
export function orderToJson(order: BacktestOrder): BacktestOrderJson {
  const { number, side, style, size, state } = order;
  const execution = order.fill?.execution;
  return {
    number,
    side,
    type: style.type,
    size: plain(size),
    state,
    filled: execution === undefined ? "0" : plain(execution.size),
    averagePrice: execution === undefined ? null : plain(execution.price),
    fee: execution === undefined ? null : plain(execution.fee),
    feeAsset: execution?.feeAsset ?? null,
    filledAtMs: execution?.atMs ?? null,
  };
}

export interface EquityPoint {
  closeAtMs: number;
  equity: Decimal;
}

/** What a backtest leaves behind that equity is made of. */
export interface EquitySource {
  columns: CandleColumns;
  instrument: Instrument;
  capital: Decimal;
  fills: readonly BacktestFill[];
}

/** Cash and position at each close, exact, one point a bar, made one after the other as they are asked for. */
export function* equityPoints({ columns, instrument, capital, fills }: EquitySource): Generator<EquityPoint> {
  let next = 0;
  let book = { cash: capital, positions: new Map() } as BacktestFill["book"];
  for (let index = 0; index < columns.length; index += 1) {
    for (let fill = fills[next]; fill !== undefined && fill.bar <= index; fill = fills[next]) {
      book = fill.book;
      next += 1;
    }
    const flat = positionOf(book, instrument.id).size.isZero();
    const marks = flat ? NO_MARKS : new Map([[instrument.id, decimal(String(columns.close[index]))]]);
    yield { closeAtMs: columns.closeAtMs[index] as number, equity: equityOf(book, marks) };
  }
}

const NO_MARKS: ReadonlyMap<string, Decimal> = new Map();

/** The equity at each close in float64, for statistics: fast, and within a rounding of the exact points. */
export function equityCurve({ columns, instrument, capital, fills }: EquitySource): Float64Array {
  const curve = new Float64Array(columns.length);
  let next = 0;
  let cash = capital.toNumber();
  let size = 0;
  for (let index = 0; index < curve.length; index += 1) {
    for (let fill = fills[next]; fill !== undefined && fill.bar <= index; fill = fills[next]) {
      cash = fill.book.cash.toNumber();
      size = positionOf(fill.book, instrument.id).size.toNumber();
      next += 1;
    }
    curve[index] = cash + size * (columns.close[index] as number);
  }
  return curve;
}

/** The exact equity at the last close; the capital where there is no bar. */
export function finalEquity({ columns, instrument, capital, fills }: EquitySource): Decimal {
  const book = fills.at(-1)?.book;
  if (book === undefined || columns.length === 0) return capital;
  return equityOf(book, new Map([[instrument.id, decimal(String(columns.close[columns.length - 1]))]]));
}

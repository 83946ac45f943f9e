import type { CandleColumns } from "#shared/candles/columns.ts";
import { type Decimal, plain, ZERO } from "#shared/domain/decimal.ts";
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
  capital: Decimal;
  fills: readonly BacktestFill[];
}

/** Cash and position at each close, exact, one point a bar, made one after the other as they are asked for. */
export function* equityPoints({ columns, capital, fills }: EquitySource): Generator<EquityPoint> {
  let next = 0;
  let [cash, size] = [capital, ZERO];
  for (let index = 0; index < columns.length; index += 1) {
    for (let fill = fills[next]; fill !== undefined && fill.bar <= index; fill = fills[next]) {
      ({ cash, size } = fill);
      next += 1;
    }
    const equity = worthAt({ cash, size }, columns.close[index] as number);
    yield { closeAtMs: columns.closeAtMs[index] as number, equity };
  }
}

/** The equity at each close in float64, for statistics: fast, and within a rounding of the exact points. */
export function equityCurve({ columns, capital, fills }: EquitySource): Float64Array {
  const curve = new Float64Array(columns.length);
  let next = 0;
  let cash = capital.toNumber();
  let size = 0;
  for (let index = 0; index < curve.length; index += 1) {
    for (let fill = fills[next]; fill !== undefined && fill.bar <= index; fill = fills[next]) {
      cash = fill.cash.toNumber();
      size = fill.size.toNumber();
      next += 1;
    }
    curve[index] = cash + size * (columns.close[index] as number);
  }
  return curve;
}

/** The exact equity at the last close; the capital where there is no bar. */
export function finalEquity({ columns, capital, fills }: EquitySource): Decimal {
  const last = fills.at(-1);
  if (last === undefined || columns.length === 0) return capital;
  return worthAt(last, columns.close[columns.length - 1] as number);
}

function worthAt({ cash, size }: { cash: Decimal; size: Decimal }, close: number): Decimal {
  return size.isZero() ? cash : cash.plus(size.times(String(close)));
}

import { Decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";
import { type EquitySource, equityCurve, finalEquity } from "./result.ts";
import { feesOf, tradesOf } from "./trades.ts";

/** What a backtest came to. Money is exact and text; ratios are float64, null where they have no meaning. */
export interface BacktestStatistics {
  bars: number;
  finalEquity: string;
  /** finalEquity - capital. */
  netProfit: string;
  /** netProfit / capital, rounded half to even to 18 decimals: "0.05" is 5 %. */
  return: string;
  /** Largest fall of the equity at a close from its highest close before, as a share of that (0.2 is 20 %). */
  maxDrawdown: number;
  sharpe: number | null;
  sortino: number | null;
  /** Round trips that are over. */
  trades: number;
  /** Position at the last close, in the base asset, dust included. */
  openSize: string;
  /** netProfit less the profits of the trades: what the open position, or dust, is worth more than it cost. Exact. */
  openProfit: string;
  /** Share of the trades with a profit above zero. */
  winRate: number | null;
  /** Sum of the profits over sum of the losses. Null without a loss. */
  profitFactor: number | null;
  /** By asset, exact. */
  fees: Record<string, string>;
  /** All fees in the quote asset, those in the base asset at the price of their fill. Exact. */
  feesInQuote: string;
  /** Share of the closes at which a position stood. */
  exposure: number;
}

/** Of a market that never closes: a year of 365 days. */
const YEAR_MS = 365 * timeFrameMs("1d");

/** Periods a year by which ratios are annualised: 31,536,000 of 1s, 525,600 of 1m, 8,760 of 1h, 365 of 1d. */
function periodsAYear(timeFrame: TimeFrame): number {
  return YEAR_MS / timeFrameMs(timeFrame);
}

/** Computes the statistics of a run; see `BacktestStatistics` and the ratios below. */
export function statisticsOf(
  source: EquitySource & { instrument: Instrument },
  timeFrame: TimeFrame,
): BacktestStatistics {
  const { columns, instrument, capital, fills } = source;
  const bars = columns.length;
  const equity = finalEquity(source);
  const netProfit = equity.minus(capital);
  const curve = equityCurve(source);
  const returns = returnsOf(curve, capital.toNumber());
  const { trades, barsHeld } = tradesOf({ fills, instrument, capital, bars });
  const fees = feesOf(fills, instrument);
  const gains = trades.filter((trade) => trade.profit.gt(ZERO));
  const losses = trades.filter((trade) => trade.profit.lt(ZERO));
  const sum = (part: typeof trades) => part.reduce((total, trade) => total.plus(trade.profit), ZERO);
  return {
    bars,
    finalEquity: plain(equity),
    netProfit: plain(netProfit),
    return: plain(netProfit.div(capital).toDecimalPlaces(18, Decimal.ROUND_HALF_EVEN)),
    maxDrawdown: maxDrawdownOf(curve, capital.toNumber()),
    sharpe: sharpeOf(returns, periodsAYear(timeFrame)),
    sortino: sortinoOf(returns, periodsAYear(timeFrame)),
    trades: trades.length,
    openSize: plain(fills.at(-1)?.size ?? ZERO),
    openProfit: plain(netProfit.minus(sum(trades))),
    winRate: trades.length === 0 ? null : gains.length / trades.length,
    profitFactor: losses.length === 0 ? null : sum(gains).div(sum(losses).negated()).toNumber(),
    fees: Object.fromEntries([...fees.byAsset].map(([asset, fee]) => [asset, plain(fee)])),
    feesInQuote: plain(fees.inQuote),
    exposure: bars === 0 ? 0 : barsHeld / bars,
  };
}

/** Simple returns from close to close; the first one is measured from the capital. */
export function returnsOf(curve: Float64Array, capital: number): Float64Array {
  const returns = new Float64Array(curve.length);
  let before = capital;
  for (let index = 0; index < curve.length; index += 1) {
    const equity = curve[index] as number;
    returns[index] = equity / before - 1;
    before = equity;
  }
  return returns;
}

/** Largest (peak - equity) / peak over the closes, the capital being the first peak. */
export function maxDrawdownOf(curve: Float64Array, capital: number): number {
  let peak = capital;
  let worst = 0;
  for (const equity of curve) {
    if (equity > peak) peak = equity;
    worst = Math.max(worst, (peak - equity) / peak);
  }
  return worst;
}

/**
 * Sharpe ratio (W. F. Sharpe, The Sharpe Ratio, 1994) with a riskless rate of zero: mean(r) / s * sqrt(periods a year), s being the
 * sample deviation (divided by count - 1). Null with fewer than two returns or without any deviation.
 */
export function sharpeOf(returns: Float64Array, periodsAYear: number): number | null {
  if (returns.length < 2) return null;
  const mean = meanOf(returns);
  let squares = 0;
  for (const value of returns) squares += (value - mean) ** 2;
  const deviation = Math.sqrt(squares / (returns.length - 1));
  return deviation === 0 ? null : (mean / deviation) * Math.sqrt(periodsAYear);
}

/**
 * Sortino ratio (F. Sortino and L. Price, Performance Measurement in a Downside Risk Framework, 1994) with a target of zero:
 * mean(r) / d * sqrt(periods a year), d = sqrt(mean(min(r, 0)^2)) over all returns. Null without a return or without a fall.
 */
export function sortinoOf(returns: Float64Array, periodsAYear: number): number | null {
  if (returns.length === 0) return null;
  let squares = 0;
  for (const value of returns) if (value < 0) squares += value * value;
  const downside = Math.sqrt(squares / returns.length);
  return downside === 0 ? null : (meanOf(returns) / downside) * Math.sqrt(periodsAYear);
}

function meanOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Candles as columns of float64, oldest first: what indicators and backtests read. */
export interface CandleColumns {
  readonly length: number;
  readonly open: Float64Array;
  readonly high: Float64Array;
  readonly low: Float64Array;
  readonly close: Float64Array;
  readonly volume: Float64Array;
  /** UTC epoch milliseconds. */
  readonly openAtMs: Float64Array;
  readonly closeAtMs: Float64Array;
}

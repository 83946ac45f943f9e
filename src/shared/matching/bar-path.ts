import { decimal } from "#shared/domain/decimal.ts";

/** One price a bar shows, with its market time. */
export interface PathPoint {
  price: string;
  atMs: number;
}

/**
 * The four prices a bar shows, in order: open; then low and high where it closed at or above its open, else high and low;
 * then close. Open, high and low are stamped with the bar's open, the close with its close.
 */
export function barPath(bar: {
  open: string;
  high: string;
  low: string;
  close: string;
  openAtMs: number;
  closeAtMs: number;
}): PathPoint[] {
  const rose = decimal(bar.close).gte(decimal(bar.open));
  return [
    { price: bar.open, atMs: bar.openAtMs },
    { price: rose ? bar.low : bar.high, atMs: bar.openAtMs },
    { price: rose ? bar.high : bar.low, atMs: bar.openAtMs },
    { price: bar.close, atMs: bar.closeAtMs },
  ];
}

import type { CandleColumns } from "#shared/candles/columns.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { randomFrom } from "#shared/random/random-from.ts";

/** The instrument of the backtests here. */
export const instrument: Instrument = {
  id: "BTC/USDT.paper",
  symbol: "BTC/USDT",
  venue: "paper",
  venueSymbol: "BTCUSDT",
  base: "BTC",
  quote: "USDT",
  priceStep: "0.01",
  sizeStep: "0.00001",
  minSize: "0.00001",
  maxSize: "9000",
  marketSizeStep: null,
  marketMinSize: "0",
  marketMaxSize: null,
  minNotional: "5",
  minNotionalAppliesToMarket: true,
  maxNotional: "9000000",
  maxNotionalAppliesToMarket: true,
  priceBand: null,
  maxOpenOrders: null,
  makerFee: "0.001",
  takerFee: "0.001",
  feeDecimals: 8,
  status: "TRADING",
  timeFrames: ["1m"],
};

/** One-minute bars of a random walk in steps of a cent, the same on every run. */
export function generateBars(count: number): CandleColumns {
  const column = () => new Float64Array(count);
  const bars = {
    open: column(),
    high: column(),
    low: column(),
    close: column(),
    volume: column(),
    openAtMs: column(),
    closeAtMs: column(),
  };
  const random = randomFrom(7);
  let cents = 3_000_000;
  for (let index = 0; index < count; index += 1) {
    const path = Array.from({ length: 4 }, () => {
      cents = Math.max(100_000, cents + Math.round((random() - 0.5) * 3_000));
      return cents;
    });
    const [open, , , close] = path as [number, number, number, number];
    bars.open[index] = open / 100;
    bars.high[index] = Math.max(...path) / 100;
    bars.low[index] = Math.min(...path) / 100;
    bars.close[index] = close / 100;
    bars.volume[index] = 1;
    bars.openAtMs[index] = index * 60_000;
    bars.closeAtMs[index] = (index + 1) * 60_000;
  }
  return { ...bars, length: count };
}

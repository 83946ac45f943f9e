import { join } from "node:path";
import { TIME_FRAMES } from "#shared/domain/time-frame.ts";
import { DocumentedVenue } from "./documented-venue.fixture.ts";
import { connectorsTo, type ExchangeStage, type ExchangeTold, type ToldBar } from "./exchange-contract.fixture.ts";

/** When the bar before the first one of the suite opens. */
const BEFORE_MS = 1_507_724_880_000;
const MINUTE_MS = 60_000;

/** The n-th bar of the suite, from 0 on: its open, high, low, close and volume. */
function barOf(n: number, prices: readonly [string, string, string, string, string]): ToldBar {
  const openAtMs = BEFORE_MS + (n + 1) * MINUTE_MS;
  const [open, high, low, close, volume] = prices;
  const times = { openAtMs, closeAtMs: openAtMs + MINUTE_MS, prevOpenAtMs: openAtMs - MINUTE_MS };
  return { ...times, open, high, low, close, volume };
}

const TOLD: ExchangeTold = {
  instrument: {
    id: "BTC/USDT.binance",
    symbol: "BTC/USDT",
    venue: "binance",
    venueSymbol: "BTCUSDT",
    base: "BTC",
    quote: "USDT",
    priceStep: "0.000001",
    sizeStep: "0.001",
    minSize: "0.001",
    maxSize: "100000",
    marketSizeStep: null,
    marketMinSize: "0.001",
    marketMaxSize: "100000",
    minNotional: "10",
    minNotionalAppliesToMarket: false,
    maxNotional: "10000",
    maxNotionalAppliesToMarket: false,
    priceBand: { bidUp: "1.2", bidDown: "0.2", askUp: "5", askDown: "0.8" },
    maxOpenOrders: 25,
    makerFee: "0.001",
    takerFee: "0.001",
    feeDecimals: 8,
    status: "TRADING",
    timeFrames: [...TIME_FRAMES],
  },
  timeFrame: "1m",
  bars: [
    barOf(0, ["3994.2", "4001", "3992.75", "3999.99", "8.00125"]),
    barOf(1, ["3999.99", "4003.4", "3998.1", "4002", "148.11427815"]),
    barOf(2, ["4002", "4005", "3999.5", "4000.1", "21"]),
  ],
  trades: [
    { tradeId: "28456", price: "3998.000001", size: "12" },
    { tradeId: "28457", price: "3996", size: "1" },
  ],
  next: {
    bar: barOf(3, ["4000.1", "4000.1", "3996", "3997.5", "13.25"]),
    barFrames: 2,
    trades: [{ tradeId: "28458", price: "3997.5", size: "0.25" }],
    quotes: [{ bid: "3997.49", bidSize: "31.21", ask: "3997.5", askSize: "40.66" }],
  },
  quote: { bid: "3995.99", bidSize: "431", ask: "3996", askSize: "9" },
  filled: {
    request: { clientOrderId: "6gCrw2kRUAF9CvJDGP16IP", side: "SELL", style: { type: "MARKET" }, size: "10" },
    fills: [
      { price: "4000", size: "1", fee: "4", feeAsset: "USDT", maker: false },
      { price: "3999", size: "5", fee: "19.995", feeAsset: "USDT", maker: false },
      { price: "3998", size: "2", fee: "7.996", feeAsset: "USDT", maker: false },
      { price: "3997", size: "1", fee: "3.997", feeAsset: "USDT", maker: false },
      { price: "3995", size: "1", fee: "3.995", feeAsset: "USDT", maker: false },
    ],
    balances: [
      { asset: "BTC", free: "4723836.89208129", locked: "0" },
      { asset: "USDT", free: "39943.017", locked: "0" },
    ],
  },
  resting: {
    request: {
      clientOrderId: "myOrder1",
      side: "BUY",
      style: { type: "LIMIT", price: "2000", timeInForce: "GTC" },
      size: "1",
    },
    fills: [],
    balances: [{ asset: "USDT", free: "37943.017", locked: "2000" }],
  },
  reached: {
    request: {
      clientOrderId: "reached-1",
      side: "BUY",
      style: { type: "LIMIT", price: "3990", timeInForce: "GTC" },
      size: "0.5",
    },
    fills: [
      { price: "3990", size: "0.2", fee: "0.0002", feeAsset: "BTC", maker: true },
      { price: "3990", size: "0.3", fee: "0.0003", feeAsset: "BTC", maker: true },
    ],
    balances: [
      { asset: "BTC", free: "4723837.39158129", locked: "0" },
      { asset: "USDT", free: "37948.017", locked: "0" },
    ],
  },
  refused: { request: { clientOrderId: "refused-1", side: "BUY", style: { type: "MARKET" }, size: "100000" } },
};

/** Binance as its documentation describes it (`documented-binance.jsonl`): one account, from one order to the next. */
export async function startDocumentedStage(): Promise<ExchangeStage> {
  const documented = new DocumentedVenue(await Bun.file(join(import.meta.dir, "documented-binance.jsonl")).text());
  return {
    venue: "binance",
    account: "trader",
    stranger: "stranger",
    told: TOLD,
    connect: () => connectorsTo({ binance: documented.url }, "binance"),
    showNext: async () => documented.show("next"),
    reach: async () => documented.show("reach"),
    befall: async (what) => documented.befall(what),
    calm: async () => documented.befall(undefined),
    close: () => documented.stop(),
  };
}

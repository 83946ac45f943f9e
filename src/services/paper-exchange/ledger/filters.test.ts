import { describe, expect, test } from "bun:test";
import { exchangeInfoOf, instrumentOf } from "#services/paper-exchange/market/instrument.ts";
import { type MarketSettings, marketSchema } from "#services/paper-exchange/settings.ts";
import { instrumentsOf } from "#shared/exchange/binance-mapping.ts";
import { checkFilters } from "./filters.ts";
import type { Placement } from "./placement.ts";

type Rules = MarketSettings["rules"];

function marketOf(rules: Partial<Rules>): MarketSettings {
  const least = { priceStep: "0.01", sizeStep: "0.0001", minSize: "0.0001", minNotional: "10" };
  const account = { apiKey: "key", secret: "secret", balances: {} };
  return marketSchema.parse({ id: "a", symbol: "SPX/USD", rules: { ...least, ...rules }, account, pace: "manual" });
}

const BAND = { bidUp: "1.1", bidDown: "0.5", askUp: "2", askDown: "0.8" };

function order(more: Partial<Placement>): Placement {
  return {
    clientOrderId: null,
    side: "BUY",
    type: "MARKET",
    timeInForce: "GTC",
    price: "0",
    size: "5",
    responseType: "FULL",
    ...more,
  };
}

const LIMIT = { type: "LIMIT", price: "100" } as const;

describe("the filters of an order", () => {
  test.each<[string, Partial<Rules>, Partial<Placement>, string | null]>([
    ["at market, within all", {}, {}, null],
    ["above LOT_SIZE", { maxSize: "4" }, {}, "LOT_SIZE"],
    ["at market above MARKET_LOT_SIZE", { marketMaxSize: "4" }, {}, "MARKET_LOT_SIZE"],
    ["at market below MARKET_LOT_SIZE", { marketMinSize: "6" }, {}, "MARKET_LOT_SIZE"],
    ["at market off MARKET_LOT_SIZE's step", { marketSizeStep: "2" }, {}, "MARKET_LOT_SIZE"],
    ["limit, whatever MARKET_LOT_SIZE says", { marketMaxSize: "4", marketSizeStep: "2" }, LIMIT, null],
    ["at market below NOTIONAL", {}, { size: "0.05" }, "NOTIONAL"],
    ["at market where its minimum does not apply", { minNotionalAppliesToMarket: false }, { size: "0.05" }, null],
    ["limit below it", { minNotionalAppliesToMarket: false }, { ...LIMIT, size: "0.05" }, "NOTIONAL"],
    ["at market above NOTIONAL", { maxNotional: "499" }, {}, "NOTIONAL"],
    ["at market where its maximum does not apply", { maxNotional: "499", maxNotionalAppliesToMarket: false }, {}, null],
    ["limit above it", { maxNotional: "499", maxNotionalAppliesToMarket: false }, LIMIT, "NOTIONAL"],
    ["a bid too high", { priceBand: BAND }, { ...LIMIT, price: "110.01" }, "PERCENT_PRICE_BY_SIDE"],
    ["a bid at the edge", { priceBand: BAND }, { ...LIMIT, price: "110" }, null],
    ["an ask too low", { priceBand: BAND }, { ...LIMIT, price: "79.99", side: "SELL" }, "PERCENT_PRICE_BY_SIDE"],
    ["an ask as high as no bid", { priceBand: BAND }, { ...LIMIT, price: "200", side: "SELL" }, null],
    ["beside as many open orders as there may be", { maxOpenOrders: 2 }, {}, "MAX_NUM_ORDERS"],
    ["beside one fewer", { maxOpenOrders: 3 }, {}, null],
  ])("%s", (_what, rules, of, filter) => {
    const instrument = instrumentOf(marketOf(rules));
    const refusal = checkFilters(order(of), { instrument, lastPrice: "100", openOrders: 2 });
    expect(refusal?.msg ?? null).toBe(filter === null ? null : `Filter failure: ${filter}`);
  });

  test("before the first price, those that take an average do not apply", () => {
    const instrument = instrumentOf(marketOf({ priceBand: BAND, maxNotional: "10" }));
    expect(checkFilters(order({}), { instrument, lastPrice: null, openOrders: 0 })).toBeNull();
  });
});

test("the connector reads from exchangeInfo what the settings say", () => {
  const rules: Partial<Rules> = {
    maxSize: "50",
    marketSizeStep: "0.5",
    marketMinSize: "1",
    marketMaxSize: "20",
    minNotionalAppliesToMarket: false,
    maxNotional: "520",
    maxNotionalAppliesToMarket: false,
    priceBand: BAND,
    maxOpenOrders: 7,
  };
  const instrument = instrumentOf(marketOf(rules));
  const fees = new Map([["SPXUSD", { maker: "0", taker: "0" }]]);
  expect(instrumentsOf(exchangeInfoOf(instrument, 1, {}), "paper", fees)).toEqual({
    instruments: [instrument],
    leftOut: [],
  });
  expect(instrument).toMatchObject({ ...rules, timeFrames: ["1s", "1m", "1h", "1d"] });
});

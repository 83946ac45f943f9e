/** Answers and frames of Binance spot, as its documentation shows them. */

const filters = [
  { filterType: "PRICE_FILTER", minPrice: "0.01000000", maxPrice: "1000000.00000000", tickSize: "0.01000000" },
  { filterType: "LOT_SIZE", minQty: "0.00001000", maxQty: "9000.00000000", stepSize: "0.00001000" },
  { filterType: "ICEBERG_PARTS", limit: 10 },
  { filterType: "MARKET_LOT_SIZE", minQty: "0.00000000", maxQty: "76.58711433", stepSize: "0.00000000" },
  {
    filterType: "NOTIONAL",
    minNotional: "5.00000000",
    applyMinToMarket: true,
    maxNotional: "9000000.00000000",
    applyMaxToMarket: false,
    avgPriceMins: 5,
  },
  {
    filterType: "PERCENT_PRICE_BY_SIDE",
    bidMultiplierUp: "5",
    bidMultiplierDown: "0.2",
    askMultiplierUp: "4",
    askMultiplierDown: "0.25",
    avgPriceMins: 5,
  },
  { filterType: "MAX_NUM_ORDERS", maxNumOrders: 200 },
];
const btc = { symbol: "BTCUSDT", status: "TRADING", baseAsset: "BTC", quoteAsset: "USDT", filters };

export const EXCHANGE_INFO = {
  timezone: "UTC",
  serverTime: 1_565_246_363_776,
  symbols: [
    btc,
    { ...btc, symbol: "OLDUSDT", baseAsset: "OLD", status: "BREAK" },
    { ...btc, symbol: "ODDUSDT", baseAsset: "ODD", filters: [] },
  ],
};

export const KLINES = [
  [
    1_499_040_000_000,
    "0.01634790",
    "0.80000000",
    "0.01575800",
    "0.01577100",
    "148976.11427815",
    1_499_644_799_999,
    "2434.19055334",
    308,
    "1756.87402397",
    "28.46694368",
    "0",
  ],
];

export const KLINE_FRAME = {
  e: "kline",
  E: 1_672_515_782_136,
  s: "BNBBTC",
  k: {
    t: 1_672_515_780_000,
    T: 1_672_515_839_999,
    s: "BNBBTC",
    i: "1m",
    f: 100,
    L: 200,
    o: "0.0010",
    c: "0.0020",
    h: "0.0025",
    l: "0.0015",
    v: "1000",
    n: 100,
    x: false,
    q: "1.0000",
    V: "500",
    Q: "0.500",
    B: "123456",
  },
};

export const TRADE_FRAME = {
  e: "trade",
  E: 1_672_515_782_136,
  s: "BNBBTC",
  t: 12_345,
  p: "0.001",
  q: "100",
  T: 1_672_515_782_136,
  m: true,
  M: true,
};

export const TRADES = [
  {
    id: 28_457,
    price: "4.00000100",
    qty: "12.00000000",
    quoteQty: "48.000012",
    time: 1_499_865_549_590,
    isBuyerMaker: true,
    isBestMatch: true,
  },
];

export const PLACED = {
  symbol: "BTCUSDT",
  orderId: 28,
  orderListId: -1,
  clientOrderId: "6gCrw2kRUAF9CvJDGP16IP",
  transactTime: 1_507_725_176_595,
  price: "0.00000000",
  origQty: "10.00000000",
  executedQty: "10.00000000",
  origQuoteOrderQty: "0.000000",
  cummulativeQuoteQty: "10.00000000",
  status: "FILLED",
  timeInForce: "GTC",
  type: "MARKET",
  side: "SELL",
  workingTime: 1_507_725_176_595,
  fills: [
    { price: "4000.00000000", qty: "10.00000000", commission: "4.00000000", commissionAsset: "USDT", tradeId: 56 },
  ],
};

export const CANCELED_ANSWER = {
  symbol: "LTCBTC",
  origClientOrderId: "myOrder1",
  orderId: 4,
  orderListId: -1,
  clientOrderId: "cancelMyOrder1",
  transactTime: 1_684_804_350_068,
  price: "2.00000000",
  origQty: "1.00000000",
  executedQty: "0.00000000",
  status: "CANCELED",
  side: "BUY",
};

export const MY_TRADES = [
  {
    symbol: "BNBBTC",
    id: 28_457,
    orderId: 100_234,
    orderListId: -1,
    price: "4.00000100",
    qty: "12.00000000",
    quoteQty: "48.000012",
    commission: "10.10000000",
    commissionAsset: "BNB",
    time: 1_499_865_549_590,
    isBuyer: true,
    isMaker: false,
    isBestMatch: true,
  },
];

export const TRADE_REPORT = {
  e: "executionReport",
  E: 1_499_405_658_658,
  s: "ETHBTC",
  c: "mUvoqJxFIILMdfAW5iGSOW",
  S: "BUY",
  o: "LIMIT",
  f: "GTC",
  q: "1.00000000",
  p: "0.10264410",
  C: "",
  x: "TRADE",
  X: "PARTIALLY_FILLED",
  r: "NONE",
  i: 4_293_153,
  l: "0.40000000",
  z: "0.40000000",
  L: "0.10264410",
  n: "0.00040000",
  N: "ETH",
  T: 1_499_405_658_657,
  t: 77,
  w: false,
  m: true,
  O: 1_499_405_658_657,
  Z: "0.04105764",
};

export const CANCELED_REPORT = {
  ...TRADE_REPORT,
  c: "cancelMyOrder1",
  C: "myOrder1",
  x: "CANCELED",
  X: "CANCELED",
  l: "0.00000000",
  L: "0.00000000",
  n: "0",
  N: null,
  t: -1,
  m: false,
};

export const ACCOUNT_POSITION = {
  e: "outboundAccountPosition",
  E: 1_564_034_571_105,
  u: 1_564_034_571_073,
  B: [{ a: "ETH", f: "10000.000000", l: "0.500000" }],
};

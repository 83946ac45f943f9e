import { describe, expect, test } from "bun:test";
import { decimalText } from "#shared/domain/schemas.ts";
import { TIME_FRAMES } from "#shared/domain/time-frame.ts";
import { accountEventOf, balancesOf, fillsOf, orderOf, placedOf } from "./binance-account-mapping.ts";
import type { VenueAnswer } from "./binance-answers.ts";
import { banOf, classifyAnswer, isDuplicateOrder } from "./binance-answers.ts";
import {
  ACCOUNT_POSITION,
  CANCELED_ANSWER,
  CANCELED_REPORT,
  EXCHANGE_INFO,
  KLINE_FRAME,
  KLINES,
  MY_TRADES,
  PLACED,
  TRADE_FRAME,
  TRADE_REPORT,
  TRADES,
} from "./binance-frames.fixture.ts";
import { barsOf, closedBarOf, feesOf, instrumentsOf, tradeOf, tradesOf } from "./binance-mapping.ts";

describe("instruments", () => {
  const noFees = new Map<string, { maker: string; taker: string }>();

  test("take steps and limits from the filters, in plain form, with Binance's default fee", () => {
    expect(instrumentsOf(EXCHANGE_INFO, "binance", noFees).instruments[0]).toEqual({
      id: "BTC/USDT.binance",
      symbol: "BTC/USDT",
      venue: "binance",
      venueSymbol: "BTCUSDT",
      base: "BTC",
      quote: "USDT",
      priceStep: "0.01",
      sizeStep: "0.00001",
      minSize: "0.00001",
      maxSize: "9000",
      marketSizeStep: null,
      marketMinSize: "0",
      marketMaxSize: "76.58711433",
      minNotional: "5",
      minNotionalAppliesToMarket: true,
      maxNotional: "9000000",
      maxNotionalAppliesToMarket: false,
      priceBand: { bidUp: "5", bidDown: "0.2", askUp: "4", askDown: "0.25" },
      maxOpenOrders: 200,
      makerFee: "0.001",
      takerFee: "0.001",
      feeDecimals: 8,
      status: "TRADING",
      timeFrames: [...TIME_FRAMES],
    });
  });

  test("take the account's own fees where the venue told them", () => {
    const fees = feesOf([{ symbol: "BTCUSDT", makerCommission: "0.00075000", takerCommission: "0.0008" }]);
    expect(instrumentsOf(EXCHANGE_INFO, "binance", fees).instruments[0]).toMatchObject({
      makerFee: "0.00075",
      takerFee: "0.0008",
    });
  });

  test("a symbol that does not trade is halted, one without steps is left out", () => {
    const { instruments: all, leftOut } = instrumentsOf(EXCHANGE_INFO, "binance", noFees);
    expect(all.map(({ id, status }) => [id, status])).toEqual([
      ["BTC/USDT.binance", "TRADING"],
      ["OLD/USDT.binance", "HALTED"],
    ]);
    expect(leftOut).toEqual([
      { symbol: expect.any(String), reason: expect.stringContaining("sizeStep must be a decimal number") },
    ]);
  });

  const withFilters = (...filters: { filterType: string; [name: string]: unknown }[]) => {
    const [symbol] = EXCHANGE_INFO.symbols;
    const own = (symbol?.filters ?? []).filter(
      ({ filterType }) => !filters.some((one) => one.filterType === filterType),
    );
    const symbols = [{ ...symbol, filters: [...own, ...filters] }];
    return instrumentsOf({ symbols }, "binance", noFees);
  };

  test("take the flag of the older MIN_NOTIONAL, where NOTIONAL is not there", () => {
    const [symbol] = EXCHANGE_INFO.symbols;
    const filters = (symbol?.filters ?? []).filter(({ filterType }) => filterType !== "NOTIONAL");
    const older = { filterType: "MIN_NOTIONAL", minNotional: "7.50000000", applyToMarket: false, avgPriceMins: 5 };
    const symbols = [{ ...symbol, filters: [...filters, older] }];
    expect(instrumentsOf({ symbols }, "binance", noFees).instruments).toMatchObject([
      { minNotional: "7.5", minNotionalAppliesToMarket: false, maxNotional: null },
    ]);
  });

  test.each([
    ["0.00002000", "0.00002", []],
    ["0.00000500", null, []],
    ["0.00001500", undefined, ["marketSizeStep must be a multiple of sizeStep"]],
    ["1e-5", undefined, ['marketSizeStep must be a decimal number written as text, like "12.5"']],
  ] as const)(
    "a MARKET_LOT_SIZE step of %s is %p, or leaves the symbol out with the reason",
    (stepSize, step, reasons) => {
      const lot = { filterType: "MARKET_LOT_SIZE", minQty: "0.00000000", maxQty: "5.00000000", stepSize };
      const { instruments, leftOut } = withFilters(lot);
      expect(instruments[0]?.marketSizeStep).toBe(step);
      expect(leftOut.map(({ reason }) => reason)).toEqual([...reasons]);
    },
  );

  test("with fees below zero are instruments too, not left out without a line", () => {
    const fees = feesOf([{ symbol: "BTCUSDT", makerCommission: "-0.00010000", takerCommission: "0.0002" }]);
    const { instruments } = instrumentsOf(EXCHANGE_INFO, "binance", fees);
    expect(instruments[0]).toMatchObject({ makerFee: "-0.0001", takerFee: "0.0002" });
  });

  test("of two symbols with one base and quote the one that trades has the name", () => {
    const [symbol] = EXCHANGE_INFO.symbols;
    const symbols = [{ ...symbol, symbol: "BTCUSDT_OLD", status: "BREAK" }, symbol];
    expect(instrumentsOf({ symbols }, "binance", noFees).instruments).toMatchObject([{ venueSymbol: "BTCUSDT" }]);
  });
});

describe("bars and trades", () => {
  test("a klines answer keeps every digit; the close is the moment behind its last millisecond", () => {
    expect(barsOf(KLINES)).toEqual([
      {
        openAtMs: 1_499_040_000_000,
        closeAtMs: 1_499_644_800_000,
        open: "0.0163479",
        high: "0.8",
        low: "0.015758",
        close: "0.015771",
        volume: "148976.11427815",
      },
    ]);
  });

  test.each([
    [0.1, "number 0.1"],
    ["0x1", 'string "0x1"'],
    [null, "object null"],
    ["1e-60", 'string "1e-60"'],
  ])("an amount %p of a bar is no decimal to anyone, and the bars beside it are read", (amount, said) => {
    const [, odd, after] = barsOf([
      [1, "1", "1", "1", "1", "1", 2],
      [3, amount, "1", "1", "1", "1", 4],
      [5, "1", "1", "1", "1", "1", 6],
    ]);
    expect(odd?.open).toBe(said);
    expect(decimalText.safeParse(odd?.open).success).toBe(false);
    expect(after).toMatchObject({ openAtMs: 5, open: "1" });
  });

  test("an exponent is read, as of a volume that is very small", () => {
    expect(barsOf([[1, "1", "1", "1", "1", "1.5E-8", 2]])[0]?.volume).toBe("0.000000015");
    expect(balancesOf({ balances: [{ asset: "SHIB", free: "1E-8", locked: "0" }] })).toEqual([
      { asset: "SHIB", free: "0.00000001", locked: "0" },
    ]);
  });

  test("a kline frame is a bar only once it is closed", () => {
    expect(closedBarOf(KLINE_FRAME)).toBeNull();
    expect(closedBarOf({ ...KLINE_FRAME, k: { ...KLINE_FRAME.k, x: true } })).toEqual({
      openAtMs: 1_672_515_780_000,
      closeAtMs: 1_672_515_840_000,
      open: "0.001",
      high: "0.0025",
      low: "0.0015",
      close: "0.002",
      volume: "1000",
    });
  });

  test("a trade whose buyer was the maker was taken by the seller", () => {
    const trade = tradeOf(TRADE_FRAME, "BNB/BTC.binance", 7.5);
    expect(trade).toEqual({
      instrumentId: "BNB/BTC.binance",
      tradeId: "12345",
      price: "0.001",
      size: "100",
      takerSide: "SELL",
      atMs: 1_672_515_782_136,
      receivedAtMs: 7.5,
    });
    expect(tradeOf({ ...TRADE_FRAME, m: false, t: "9007199254740993" }, "x", 0)).toMatchObject({
      takerSide: "BUY",
      tradeId: "9007199254740993",
    });
    expect(tradesOf(TRADES, "BNB/BTC.binance", 7.5)).toMatchObject([
      { tradeId: "28457", price: "4.000001", size: "12", takerSide: "SELL", atMs: 1_499_865_549_590 },
    ]);
  });
});

describe("orders and fills", () => {
  test("an accepted order brings the fills it made at once, as taker", () => {
    expect(placedOf(PLACED)).toEqual({
      order: {
        clientOrderId: "6gCrw2kRUAF9CvJDGP16IP",
        venueOrderId: "28",
        venueSymbol: "BTCUSDT",
        status: "FILLED",
        size: "10",
        filledSize: "10",
        atMs: 1_507_725_176_595,
      },
      fills: [
        {
          tradeId: "56",
          venueOrderId: "28",
          clientOrderId: "6gCrw2kRUAF9CvJDGP16IP",
          venueSymbol: "BTCUSDT",
          side: "SELL",
          price: "4000",
          size: "10",
          fee: "4",
          feeAsset: "USDT",
          maker: false,
          atMs: 1_507_725_176_595,
        },
      ],
    });
  });

  test("an answer to a cancel names the order, not the cancel request", () => {
    expect(orderOf(CANCELED_ANSWER)).toMatchObject({ clientOrderId: "myOrder1", status: "CANCELED" });
  });

  test("a list of fills leads to its order by the venue's id alone", () => {
    expect(fillsOf(MY_TRADES).fills).toEqual([
      {
        tradeId: "28457",
        venueOrderId: "100234",
        venueSymbol: "BNBBTC",
        side: "BUY",
        price: "4.000001",
        size: "12",
        fee: "10.1",
        feeAsset: "BNB",
        maker: false,
        atMs: 1_499_865_549_590,
      },
    ]);
  });

  test("an unknown status is an error, not a guess", () => {
    expect(() => orderOf({ ...CANCELED_ANSWER, status: "SOMETHING_NEW" })).toThrow();
    expect(() => orderOf({ ...CANCELED_ANSWER, status: "constructor" })).toThrow();
    expect(orderOf({ ...CANCELED_ANSWER, status: "EXPIRED_IN_MATCH" })).toMatchObject({ status: "EXPIRED" });
  });

  test("balances keep every digit", () => {
    const answer = { balances: [{ asset: "BTC", free: "4723846.89208129", locked: "0.00000000" }] };
    expect(balancesOf(answer)).toEqual([{ asset: "BTC", free: "4723846.89208129", locked: "0" }]);
  });
});

describe("the user stream", () => {
  test("a trade report is an order and its fill", () => {
    expect(accountEventOf(TRADE_REPORT)).toEqual({
      order: {
        clientOrderId: "mUvoqJxFIILMdfAW5iGSOW",
        venueOrderId: "4293153",
        venueSymbol: "ETHBTC",
        status: "PARTIALLY_FILLED",
        size: "1",
        filledSize: "0.4",
        atMs: 1_499_405_658_657,
      },
      fill: {
        tradeId: "77",
        venueOrderId: "4293153",
        clientOrderId: "mUvoqJxFIILMdfAW5iGSOW",
        venueSymbol: "ETHBTC",
        side: "BUY",
        price: "0.1026441",
        size: "0.4",
        fee: "0.0004",
        feeAsset: "ETH",
        maker: true,
        atMs: 1_499_405_658_657,
      },
    });
  });

  test("a cancel's report names the order by its original id and brings no fill", () => {
    const event = accountEventOf(CANCELED_REPORT);
    expect(event).toMatchObject({ order: { clientOrderId: "myOrder1", status: "CANCELED" } });
    expect(event).not.toHaveProperty("fill");
  });

  test("what tells of no order says nothing", () => {
    expect(accountEventOf(ACCOUNT_POSITION)).toBeNull();
    expect(accountEventOf({ e: "balanceUpdate", E: 1 })).toBeNull();
  });
});

describe("banOf", () => {
  test.each([
    [418, "60", 61_000],
    [429, "1", 2_000],
    [429, null, 11_000],
    [418, "soon", 121_000],
    [403, "60", null],
    [200, null, null],
  ])("%s with Retry-After %p ends at %p", (status, retryAfter, endMs) => {
    const ban = banOf({ status, retryAfter, text: "" }, { nowMs: 1_000, aheadMs: 0 });
    expect(ban).toEqual(endMs === null ? null : { untilMs: endMs, ordersAlone: false });
  });

  test("reads the end that the text names by the venue's clock, and takes the later of the two", () => {
    const nowMs = 1_620_286_250_000;
    const text = '{"code":-1003,"msg":"Way too much request weight used; IP banned until 1620286253180."}';
    const endOf = (retryAfter: string | null) =>
      banOf({ status: 418, retryAfter, text }, { nowMs, aheadMs: 1_000 })?.untilMs;
    expect(endOf(null)).toBe(1_620_286_252_180);
    expect(endOf("1")).toBe(1_620_286_252_180);
    expect(endOf("60")).toBe(nowMs + 60_000);
  });

  test("tells too many new orders from too many requests", () => {
    const text = '{"code":-1015,"msg":"Too many new orders; current limit is 50 orders per 10 SECOND."}';
    const ban = banOf({ status: 429, retryAfter: null, text }, { nowMs: 1_000, aheadMs: 0 });
    expect(ban).toEqual({ untilMs: 11_000, ordersAlone: true });
  });
});

describe("classifyAnswer", () => {
  const refused = (code: number, msg = "no") => JSON.stringify({ code, msg });
  const cases: [string, number, string, VenueAnswer["kind"]][] = [
    ["an answer", 200, '{"orderId":1}', "answer"],
    ["insufficient balance", 400, refused(-2010, "Account has insufficient balance for requested action."), "refused"],
    ["a filter", 400, refused(-1013, "Filter failure: LOT_SIZE"), "refused"],
    ["outside the window", 400, refused(-1021), "refused"],
    ["a wrong signature", 401, refused(-1022), "refused"],
    ["an endpoint that is not there", 404, "not found", "refused"],
    ["an inner error of the venue", 500, refused(-1001), "lost"],
    ["a server error, whatever code it names", 503, refused(-2010), "lost"],
    ["execution status unknown", 400, refused(-1006), "lost"],
    ["a time-out inside the venue", 408, refused(-1007), "lost"],
    ["a gateway's page", 502, "<html>bad gateway</html>", "lost"],
    ["a firewall's page", 403, "<html>denied</html>", "lost"],
    ["too many requests", 429, refused(-1003), "lost"],
    ["a cut answer", 200, '{"orderId":', "lost"],
    ["a redirection", 302, "{}", "lost"],
  ];
  test.each(cases)("%s", (_name, status, text, kind) => {
    expect(classifyAnswer(status, text, JSON.parse).kind).toBe(kind);
  });

  test("a second send of an open order is told apart from other refusals", () => {
    expect(isDuplicateOrder({ code: "-2010", reason: "Duplicate order sent." })).toBe(true);
    expect(isDuplicateOrder({ code: "-2010", reason: "Account has insufficient balance." })).toBe(false);
  });
});

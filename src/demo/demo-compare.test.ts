import { describe, expect, test } from "bun:test";
import { firstDifference, ordersOfVenue, worthOf } from "./demo-compare.ts";

const order = {
  orderId: 7,
  clientOrderId: "abcdefgh-3",
  side: "BUY",
  type: "MARKET",
  origQty: "2.5000",
  executedQty: "2.5",
  cummulativeQuoteQty: "25.5",
  status: "FILLED",
};
const trade = {
  id: 1,
  orderId: 7,
  price: "10",
  qty: "1.5",
  quoteQty: "15",
  commission: "0.0015",
  commissionAsset: "SPX",
  time: 5,
};

describe("the venue's ledger as compared orders", () => {
  test("takes the number from our id and makes the average and the fee from all fills", () => {
    const second = { ...trade, id: 2, price: "10.5", qty: "1", quoteQty: "10.5", commission: "0.001", time: 6 };
    expect(ordersOfVenue([order], [trade, second])).toEqual([
      {
        number: 3,
        side: "BUY",
        type: "MARKET",
        size: "2.5",
        filled: "2.5",
        averagePrice: "10.2",
        fee: "0.0025",
        feeAsset: "SPX",
        filledAtMs: 6,
      },
    ]);
  });

  test("an order without a fill has no average, fee or time", () => {
    expect(ordersOfVenue([order], [])).toEqual([
      {
        number: 3,
        side: "BUY",
        type: "MARKET",
        size: "2.5",
        filled: "0",
        averagePrice: null,
        fee: null,
        feeAsset: null,
        filledAtMs: null,
      },
    ]);
  });

  test("what is owned counts whether it is free or locked", () => {
    expect(worthOf({ USD: { free: "1.5", locked: "1" }, SPX: { free: "2", locked: "0.1" } }, "10.01")).toBe("23.521");
  });
});

describe("the first difference", () => {
  const named = (name: string, items: unknown[]) => ({ name, items });
  test("is null for equal lists and names the place otherwise, also where one is longer", () => {
    expect(firstDifference("order", named("a", [{ x: "1" }]), named("b", [{ x: "1" }]))).toBeNull();
    expect(firstDifference("order", named("a", [{ x: "1" }]), named("b", [{ x: "1.0" }]))).toContain("order 1");
    expect(firstDifference("order", named("a", [1]), named("b", [1, 2]))).toBe("order 2: a has nothing, b has 2");
  });
});

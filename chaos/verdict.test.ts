import { describe, expect, test } from "bun:test";
import { type Bar, type Execution, violations, type Witness } from "./verdict.ts";

const execution = (tradeId: string, more: Partial<Execution> = {}): Execution => ({
  tradeId,
  clientOrderId: `abcdefgh-${tradeId}`,
  side: "BUY",
  price: "100",
  size: "1.5",
  fee: "0.0015",
  feeAsset: "BTC",
  ...more,
});
const bar = (openAtMs: number, close = "2"): Bar => ({ openAtMs, open: "1", high: "3", low: "1", close, volume: "9" });

const venue: Witness = {
  executions: [execution("1"), execution("2", { side: "SELL" })],
  executedOrders: ["abcdefgh-1", "abcdefgh-2"],
  changes: new Map([
    ["BTC", "-0.003"],
    ["USDT", "0"],
  ]),
  bars: [bar(1_000), bar(2_000), bar(3_000)],
};

describe("the verdict", () => {
  test("is empty where both sides say the same, however they write it", () => {
    const engine = {
      ...venue,
      executions: venue.executions.map((one) => ({ ...one, size: "1.50", price: "100.00" })),
      changes: new Map([["BTC", "-0.0030"]]),
    };
    expect(violations("m", venue, engine)).toEqual([]);
  });

  test.each<[string, Partial<Witness>, Partial<Witness>, string[]]>([
    [
      "an intent that was executed twice",
      { executedOrders: ["abcdefgh-1", "abcdefgh-2", "abcdefgh-1"] },
      {},
      ["m: the intent abcdefgh-1 was executed twice at the venue"],
    ],
    ["an execution that is not booked", {}, { executions: [execution("1")] }, ["m: the execution 2 is missing here"]],
    [
      "one that is booked twice",
      {},
      { executions: [...venue.executions, execution("1")] },
      ["m: the execution 1 is booked twice"],
    ],
    [
      "one that the venue does not know",
      {},
      { executions: [...venue.executions, execution("3")] },
      ["m: the execution 3 is not the venue's"],
    ],
    [
      "a digit of a balance",
      {},
      { changes: new Map([["BTC", "-0.00300001"]]) },
      ["m: the balance change of BTC is -0.00300001 here, and -0.003 at the venue"],
    ],
    ["a bar that was lost", {}, { bars: [bar(1_000), bar(3_000)] }, ["m: the bar 2000 is missing here"]],
    [
      "a bar that was stored twice",
      {},
      { bars: [bar(1_000), bar(2_000), bar(2_000), bar(3_000)] },
      ["m: the bar 2000 is stored twice", "m: the bar 2000 has a number above a later one's"],
    ],
  ])("finds %s", (_what, seen, kept, expected) => {
    expect(violations("m", { ...venue, ...seen }, { ...venue, ...kept })).toEqual(expected);
  });

  test("says both values where a fee or a close differs", () => {
    const engine = { ...venue, executions: [execution("1", { fee: "0.0016" }), execution("2", { side: "SELL" })] };
    expect(violations("m", venue, engine)[0]).toContain('"fee":"0.0016"');
    expect(violations("m", venue, { ...venue, bars: [bar(1_000, "2.1"), bar(2_000), bar(3_000)] })).toHaveLength(1);
  });
});

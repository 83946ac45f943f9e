import { describe, expect, test } from "bun:test";
import { riskPolicySchema } from "#shared/domain/session.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { faultsOfRequest } from "./check-request.ts";

const DAILY = { ...spx, timeFrames: ["1d" as const], maxSize: "50" };

function faults(policy: object, timeFrame: "1d" | "1h" = "1d", instrument: typeof DAILY | null = DAILY): string[] {
  const riskPolicy = riskPolicySchema.parse(policy);
  return faultsOfRequest({ instrument, timeFrame, riskPolicy }, "instrumentId").map(
    ({ field, message }) => `${field} ${message}`,
  );
}

const UNKNOWN = "is unknown to every venue: GET /api/market-data/instruments lists those there are";
const percent = (text: string) => ({ sizing: { method: "percent-of-equity", percent: text } });
const fixed = (size: string) => ({ sizing: { method: "fixed-size", size } });

describe("faultsOfRequest", () => {
  test.each<[object, string[]]>([
    [percent("100"), []],
    [percent("100.01"), ["riskPolicy.sizing.percent must be 100 at most"]],
    [fixed("0.0001"), []],
    [fixed("0.00015"), ["riskPolicy.sizing.size must be a multiple of the instrument's size step 0.0001"]],
    [fixed("50.0001"), ["riskPolicy.sizing.size must not be above the instrument's largest size 50"]],
    [{ ...percent("1"), maxOrderNotional: "10", maxPositionNotional: "10" }, []],
    [
      { ...percent("1"), maxOrderNotional: "9.99", maxPositionNotional: "1" },
      [
        "riskPolicy.maxOrderNotional must not be below the instrument's least notional 10",
        "riskPolicy.maxPositionNotional must not be below the instrument's least notional 10",
      ],
    ],
  ])("of the policy %p are %p", (policy, expected) => {
    expect(faults(policy)).toEqual(expected);
  });

  test("names the time frames that the venue has", () => {
    expect(faults(percent("1"), "1h")).toEqual(["timeFrame must be one of 1d, 1w: SPX/USD.paper has no other candles"]);
  });

  test("says of an unknown instrument that it is unknown, and still what is wrong without it", () => {
    expect(faults(percent("500"), "1h", null)).toEqual([
      `instrumentId ${UNKNOWN}`,
      "riskPolicy.sizing.percent must be 100 at most",
    ]);
    expect(faults(fixed("0.00015"), "1h", null)).toEqual([`instrumentId ${UNKNOWN}`]);
  });
});

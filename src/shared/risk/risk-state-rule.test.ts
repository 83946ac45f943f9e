import { describe, expect, test } from "bun:test";
import type { TradingState } from "#shared/domain/account.ts";
import { effectiveStateOf, type RiskLevel } from "./risk-state-rule.ts";

const OWN = /^The account me is [A-Z]+ by itself: /;
const RISK = /^The account me is [A-Za-z]+ since 1970/;

describe("effectiveStateOf", () => {
  const cases: [TradingState, RiskLevel | null, TradingState, RegExp | null][] = [
    ["ACTIVE", null, "ACTIVE", null],
    ["ACTIVE", 1, "REDUCING", RISK],
    ["ACTIVE", 2, "REDUCING", RISK],
    ["ACTIVE", 3, "HALTED", RISK],
    ["REDUCING", null, "REDUCING", OWN],
    ["REDUCING", 2, "REDUCING", OWN],
    ["REDUCING", 3, "HALTED", RISK],
    ["HALTED", null, "HALTED", OWN],
    ["HALTED", 3, "HALTED", OWN],
  ];

  test.each(cases)("%s by itself, risk's level %p: %s", (tradingState, level, expected, says) => {
    const risk = level === null ? null : { scope: "account:me", level, cause: "set by me", sinceMs: 0 };
    const state = effectiveStateOf({ id: "me", tradingState, reason: "its ids began anew" }, risk);
    expect(state.tradingState).toBe(expected);
    if (says === null) expect(state.reason).toBeNull();
    else expect(state.reason ?? "").toMatch(says);
    expect(state.sinceMs).toBe(says === RISK ? 0 : null);
  });
});

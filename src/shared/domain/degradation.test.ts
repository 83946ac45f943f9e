import { describe, expect, test } from "bun:test";
import { type DegradationCode, toDoAbout } from "./degradation.ts";

describe("toDoAbout", () => {
  test.each<[DegradationCode, RegExp]>([
    ["ACCOUNT_NOT_CONFIGURED", /R3_ACCOUNTS.*no exit either/],
    ["VENUE_NOT_CONFIGURED", /R3_VENUES.*no exit either/],
    ["VENUE_BANNED", /^Wait.*exits too/],
    ["INSTRUMENT_GONE", /^Close at the venue.*exits neither/],
    ["INSTRUMENT_HALTED", /^Wait.*takes no exits either/],
    ["MARKET_ENDED", /^Stop the session.*exits neither/],
    ["BOOK_INCOMPLETE", /unbooked.*no exit/],
    ["FEED_STALE", /Exits go on/],
    ["RECONCILIATION_PENDING", /Exits go on/],
  ])("%s: what to do, and what becomes of exits", (code, says) => {
    expect(toDoAbout([{ code }])).toMatch(says);
  });

  test("has each once, in the order of the list", () => {
    const [one, other] = [{ code: "FEED_STALE" }, { code: "VENUE_BANNED" }] as const;
    expect(toDoAbout([one, other, one])).toBe(`${toDoAbout([one])} ${toDoAbout([other])}`);
  });
});

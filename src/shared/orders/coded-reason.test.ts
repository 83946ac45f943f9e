import { expect, test } from "bun:test";
import { codedReason, codesOf } from "./coded-reason.ts";

test.each<[codes: string | string[], reason: string]>([
  ["ABSENT", "ABSENT: the venue knows: it is gone, A: b."],
  [["ABSENT", "ACCOUNT_HALTED"], "ABSENT, ACCOUNT_HALTED: the venue knows: it is gone, A: b."],
])("a reason with the codes %p is read as it was made", (codes, reason) => {
  expect(codedReason(codes, "the venue knows: it is gone, A: b.")).toBe(reason);
  expect(codesOf(reason)).toEqual([codes].flat());
});

test.each([null, "", "The session is PAUSED.", "ABSENT", "It waits: ABSENT: not yet.", "-1013: the filter failed."])(
  "%p has no codes",
  (reason) => {
    expect(codesOf(reason)).toEqual([]);
  },
);

import { expect, test } from "bun:test";
import { createFailureRow } from "./failure-row.ts";

test("a failure that goes on is worth a line ever more rarely, another reason at once", () => {
  const failures = createFailureRow();
  const lines = Array.from({ length: 100 }, () => failures.note("a")).flatMap((line, index) =>
    line ? [index + 1] : [],
  );
  expect(lines).toEqual([1, 2, 4, 8, 16, 32, 64]);
  expect([failures.note("b"), failures.note("b"), failures.note("b"), failures.count]).toEqual([
    true,
    true,
    false,
    103,
  ]);
  failures.clear();
  expect([failures.note("b"), failures.count]).toEqual([true, 1]);
});

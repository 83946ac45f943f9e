import { expect, test } from "bun:test";
import fc from "fast-check";
import { assertPlainJson } from "./plain-json.ts";

test("what is let through comes back from JSON as it was, but for the sign of zero", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      try {
        assertPlainJson(value);
      } catch {
        // A text that Postgres refuses.
        expect(JSON.stringify(value)).toMatch(/\\u/);
        return;
      }
      expect(JSON.stringify(JSON.parse(JSON.stringify(value)))).toBe(JSON.stringify(value));
    }),
  );
});

test.each([
  [Number.NaN, "it is NaN"],
  [{ a: [Number.POSITIVE_INFINITY] }, "it.a[0] is Infinity"],
  [{ a: undefined }, "it.a is undefined"],
  [[() => 1], "it[0] is a function"],
  [1n, "it is a bigint"],
  [{ a: new Date(0) }, "it.a is a Date"],
  [{ a: "\0" }, "it.a is a text with broken characters"],
  [{ "\ud800": 1 }, "a name in it is a text with broken characters"],
  ["\ud800", "it is a text with broken characters"],
  [Array.from({ length: 125_001 }, () => 1), "it makes it larger than 1000000 characters, a number counted as 8"],
  [{ a: "x".repeat(1_000_001) }, "it.a makes it larger than 1000000 characters, a number counted as 8"],
  [{ a: "\u0001".repeat(170_000) }, "it.a makes it larger than 1000000 characters, a number counted as 8"],
])("%# is refused with its place", (value, sentence) => {
  expect(() => assertPlainJson(value)).toThrow(sentence);
});

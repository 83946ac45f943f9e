import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ceilToStep, decimal, floorToStep, isMultipleOf, normalize, plain, timesWithin } from "./decimal.ts";

const amountText = fc
  .tuple(fc.bigInt({ min: 0n, max: 10n ** 24n }), fc.integer({ min: 0, max: 18 }))
  .map(([digits, places]) => {
    const text = digits.toString().padStart(places + 1, "0");
    return places === 0 ? text : `${text.slice(0, -places)}.${text.slice(-places)}`;
  });

/** The same number as a whole count of 10^-18. */
function scaled(text: string): bigint {
  const [whole = "0", fraction = ""] = text.split(".");
  return BigInt(whole) * 10n ** 18n + BigInt(fraction.padEnd(18, "0"));
}

describe("decimal", () => {
  test("adds, subtracts and multiplies without losing a digit", () => {
    fc.assert(
      fc.property(amountText, amountText, (a, b) => {
        expect(scaled(plain(decimal(a).plus(decimal(b))))).toBe(scaled(a) + scaled(b));
        const product = plain(decimal(a).times(decimal(b)));
        const [whole = "0", fraction = ""] = product.split(".");
        expect(BigInt(whole) * 10n ** 36n + BigInt(fraction.padEnd(36, "0"))).toBe(scaled(a) * scaled(b));
      }),
    );
  });

  test.each([
    ["1.500", "1.5"],
    ["0.000", "0"],
    ["-0", "0"],
    ["100", "100"],
    ["0.000000000000000001", "0.000000000000000001"],
    ["123456789012345678901234567890", "123456789012345678901234567890"],
  ])("writes %s as %s", (text, expected) => {
    expect(normalize(text)).toBe(expected);
  });

  test.each(["NaN", "Infinity", "-Infinity"])("refuses %s", (text) => {
    expect(() => decimal(text)).toThrow(RangeError);
  });

  test("rounds to a step downward and upward, exactly", () => {
    fc.assert(
      fc.property(amountText, fc.constantFrom("0.0001", "0.01", "1", "0.5", "0.00000001"), (text, stepText) => {
        const value = decimal(text);
        const step = decimal(stepText);
        const floor = floorToStep(value, step);
        const ceil = ceilToStep(value, step);
        expect(isMultipleOf(floor, step)).toBe(true);
        expect(isMultipleOf(ceil, step)).toBe(true);
        expect(floor.lte(value) && value.minus(floor).lt(step)).toBe(true);
        expect(ceil.gte(value) && ceil.minus(value).lt(step)).toBe(true);
        expect(ceil.eq(floor)).toBe(isMultipleOf(value, step));
      }),
    );
  });

  test("count how often a divisor goes in, on its multiples and one unit beside them", () => {
    const count = fc.oneof(fc.bigInt({ min: 0n, max: 1_000n }), fc.bigInt({ min: 0n, max: 2n ** 60n }));
    fc.assert(
      fc.property(amountText, amountText, count, fc.constantFrom(-1n, 0n, 1n), (divisor, value, times, beside) => {
        fc.pre(scaled(divisor) > 0n);
        const near = scaled(divisor) * times + beside;
        const texts = near < 0n ? [value] : [value, plain(decimal(String(near)).times("1e-18"))];
        for (const text of texts) {
          expect(plain(timesWithin(decimal(text), decimal(divisor)))).toBe(String(scaled(text) / scaled(divisor)));
        }
      }),
      { numRuns: 500 },
    );
  });
});

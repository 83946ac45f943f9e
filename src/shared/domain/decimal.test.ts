import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { approximate, Decimal, decimal, floorToStep, isMultipleOf, normalize, plain, timesWithin } from "./decimal.ts";

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

  test("writes what is written so already as it would write it anew", () => {
    const digits = fc.string({ unit: fc.constantFrom("0", "1", "9"), minLength: 1, maxLength: 4 });
    const point = fc.option(digits, { nil: null });
    fc.assert(
      fc.property(fc.constantFrom("", "-"), digits, point, (sign, whole, fraction) => {
        const text = `${sign}${whole}${fraction === null ? "" : `.${fraction}`}`;
        expect([text, normalize(text)]).toEqual([text, plain(decimal(text))]);
      }),
      { numRuns: 2_000 },
    );
  });

  const words = "|-| 1|1 |+1|.5|5.|1,5|1.2.3|--1|NaN|Infinity|-Infinity|0x10|0b11|0o17|0x1p3|1_0|1_000.5|1e";
  const outside = ["1e400", "1e-400", "1e50", "1e-50", "1.5e-49", "1E5", "1".repeat(51), `0.${"0".repeat(50)}1`, "1\n"];
  test.each(words.split("|").concat(outside))("refuses %p and says so", (text) => {
    expect(() => decimal(text)).toThrow(/^".*" is not a decimal of at most 50 characters/);
    expect(() => normalize(text)).toThrow(RangeError);
  });

  test.each([
    ["1e-7", "0.0000001"],
    ["1.5e+21", "1500000000000000000000"],
    ["1e49", `1${"0".repeat(49)}`],
    ["1".repeat(50), "1".repeat(50)],
  ])("reads %s as %s", (text, expected) => {
    expect(plain(decimal(text))).toBe(expected);
  });

  test("sums and products of the longest texts that it reads are exact", () => {
    const [large, small] = ["9".repeat(50), `0.${"0".repeat(47)}1`];
    expect(plain(decimal(large).plus(decimal(small)))).toBe(`${large}.${"0".repeat(47)}1`);
    expect(plain(decimal(large).times(decimal(large)))).toBe(String(BigInt(large) ** 2n));
  });

  test("rounds to a step downward, exactly", () => {
    fc.assert(
      fc.property(amountText, fc.constantFrom("0.0001", "0.01", "1", "0.5", "0.00000001"), (text, stepText) => {
        const value = decimal(text);
        const step = decimal(stepText);
        const floor = floorToStep(value, step);
        expect(isMultipleOf(floor, step)).toBe(true);
        expect(floor.lte(value) && value.minus(floor).lt(step)).toBe(true);
        expect(floor.eq(value)).toBe(isMultipleOf(value, step));
      }),
    );
  });

  test("is approximated to the last few bits of a float64's last digit, whatever its size and sign", () => {
    const sign = fc.constantFrom("", "-");
    fc.assert(
      fc.property(sign, amountText, fc.integer({ min: -60, max: 60 }), (minus, text, exponent) => {
        const value = new Decimal(`${minus}${text}e${exponent}`);
        const nearest = value.toNumber();
        expect(Math.abs(approximate(value) - nearest)).toBeLessThanOrEqual(Math.abs(nearest) * 8 * Number.EPSILON);
      }),
      { numRuns: 2_000 },
    );
  });

  test("counts how often a divisor goes in where both are too small for a float64", () => {
    expect(plain(timesWithin(new Decimal("7e-400"), new Decimal("2e-400")))).toBe("3");
    expect(plain(timesWithin(new Decimal("1e-400"), new Decimal("1e-401")))).toBe("10");
  });

  test("counts how often a divisor goes in, on its multiples and one unit beside them", () => {
    const count = fc.oneof(fc.bigInt({ min: 0n, max: 1_000n }), fc.bigInt({ min: 0n, max: 2n ** 60n }));
    fc.assert(
      fc.property(amountText, amountText, count, fc.constantFrom(-1n, 0n, 1n), (divisor, value, times, beside) => {
        fc.pre(scaled(divisor) > 0n);
        const near = scaled(divisor) * times + beside;
        const texts = near < 0n ? [value] : [value, plain(new Decimal(String(near)).times("1e-18"))];
        for (const text of texts) {
          expect(plain(timesWithin(new Decimal(text), decimal(divisor)))).toBe(String(scaled(text) / scaled(divisor)));
        }
      }),
      { numRuns: 500 },
    );
  });
});

import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { decimalText, positiveDecimal } from "#shared/domain/schemas.ts";
import { riskPolicySchema } from "#shared/domain/session.ts";
import { faultsOf } from "./field-error.ts";

const SECRET = "hunter2";
const only = (schema: z.ZodType, value: unknown) => faultsOf(z.strictObject({ a: schema }), { a: value })[0]?.message;

describe("faultsOf", () => {
  test.each<[z.ZodType, unknown, string]>([
    [z.string(), undefined, "is missing"],
    [z.enum(["x", "y"]), undefined, "is missing"],
    [decimalText, undefined, "is missing"],
    [z.string(), 1, "must be text"],
    [z.coerce.number(), SECRET, "must be a number"],
    [z.number().int(), 1.5, "must be a whole number"],
    [z.array(z.string()), SECRET, "must be a list"],
    [z.record(z.string(), z.json()), SECRET, "must be an object"],
    [z.boolean(), SECRET, "must be true or false"],
    [z.enum(["x", "y"]), SECRET, "must be one of x, y"],
    [z.literal(true), SECRET, "must be true"],
    [z.string().min(1), "", "must not be empty"],
    [z.string().max(3), SECRET, "must have at most 3 characters"],
    [z.array(z.string()).length(1), [], "must have exactly 1 items"],
    [z.number().min(1), 0, "must be at least 1"],
    [z.number().lt(5), 5, "must be below 5"],
    [z.number().multipleOf(5), 3, "must be a multiple of 5"],
    [z.uuid(), SECRET, "must be a UUID like 01234567-89ab-4cde-8f01-23456789abcd"],
    [z.string().regex(/^\d+$/), SECRET, "does not have the right form"],
    [z.union([z.string(), z.number()]), true, "must be of another kind"],
    [decimalText, 0.5, 'must be a decimal number written as text, like "12.5"'],
    [positiveDecimal, "-1", "must be above zero"],
  ])("says what %# should be", (schema, value, message) => {
    expect(only(schema, value)).toBe(message);
  });

  test("names fields to the depth they stand at, the names that are known, and never a value", () => {
    const policy = { sizing: { method: "fixed-size", size: SECRET, percent: "1" }, maxOrderNotinal: SECRET };
    const faults = faultsOf(riskPolicySchema, policy, ["riskPolicy"]);
    expect(faults.map(({ field }) => field)).toEqual([
      "riskPolicy.sizing.size",
      "riskPolicy.sizing.percent",
      "riskPolicy.maxOrderNotinal",
    ]);
    expect(faults[1]?.message).toBe("is not known here; known: method, size");
    expect(JSON.stringify(faults)).not.toContain(SECRET);
    expect(faultsOf(riskPolicySchema, { sizing: { method: SECRET } })).toEqual([
      { field: "sizing.method", message: "must be one of percent-of-equity, fixed-size" },
    ]);
  });
});

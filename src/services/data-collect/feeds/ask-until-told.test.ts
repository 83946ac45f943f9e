import { expect, test } from "bun:test";
import { pino } from "pino";
import { AppError } from "#shared/errors/app-error.ts";
import { askUntilTold } from "./ask-until-told.ts";

const context = { signal: new AbortController().signal, log: pino({ level: "silent" }) };

test("a venue whose connection is refused is asked again", async () => {
  const errors = [Object.assign(new TypeError("Unable to connect"), { code: "ECONNREFUSED" }), new Error("no")];
  const told = await askUntilTold(async () => {
    const error = errors.pop();
    if (error !== undefined) throw error;
    return "told";
  }, context);
  expect(told).toBe("told");
});

test("one that refuses is not", async () => {
  const refusal = new AppError("VENUE_REFUSED", "permanent", "No.");
  const asked = askUntilTold(() => Promise.reject(refusal), context);
  expect(await asked.catch((error: unknown) => error)).toBe(refusal);
});

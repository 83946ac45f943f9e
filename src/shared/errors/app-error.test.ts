import { expect, test } from "bun:test";
import { AppError, messageOf, reasonOf } from "./app-error.ts";

test("what was thrown has words, also where it says nothing itself", () => {
  const refused = new Error("connect ECONNREFUSED ::1:5432");
  const coded = Object.assign(new Error(), { code: "ECONNRESET" });
  expect(messageOf(new AggregateError([refused, refused, coded]))).toBe("connect ECONNREFUSED ::1:5432; ECONNRESET");
  expect(messageOf(new AggregateError([]))).toBe("AggregateError");
  expect(messageOf(coded)).toBe("ECONNRESET");
  expect(messageOf(new TypeError())).toBe("TypeError");
  expect(messageOf("")).toBe("nothing was said");
  expect(reasonOf(new AppError("BROKER_UNAVAILABLE", "outage", "It is away.", { cause: coded }))).toBe("ECONNRESET");
});

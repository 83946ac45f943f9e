import { expect, test } from "bun:test";
import { uuidFrom } from "./uuid-from.ts";

test("a name's UUID is the beginning of its SHA-256, marked as version 8", () => {
  // printf 'order:7' | sha256sum
  expect(uuidFrom("order:7")).toBe("15e03a86-f3d7-8c03-afd5-97dfc3e881a5");
});

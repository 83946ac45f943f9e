import { expect, test } from "bun:test";
import { ParkedLanes } from "./parked-lanes.ts";

test("of a great many lanes the first that is due is found", () => {
  const lanes = new ParkedLanes();
  expect([lanes.nextDueAtMs, lanes.due(1)]).toEqual([Number.POSITIVE_INFINITY, undefined]);
  // More than a call takes arguments.
  for (let n = 0; n < 1_000_000; n += 1) lanes.hold({ topic: "orders", key: `${n}` }, n === 750_000 ? 10 : 1_000 + n);
  expect(lanes.nextDueAtMs).toBe(10);
  expect(lanes.due(9)).toBeUndefined();
  expect(lanes.due(10)).toMatchObject({ key: "750000" });
});

import { beforeEach, describe, expect, test } from "bun:test";
import type { BatchItem } from "./batch-item.ts";
import { BatchWork } from "./batch-work.ts";
import type { BusEvent, Topic } from "./bus.ts";
import type { Advance } from "./log-store.ts";
import { ParkedLanes } from "./parked-lanes.ts";
import type { UnitPlace } from "./unit-place.ts";
import { UnitPositions } from "./unit-positions.ts";

const ORDERS = { name: "orders", onDead: "block" } as Topic;
const SIGNALS = { name: "signals", onDead: "block" } as Topic;

let nowMs = 0;
let passed: (readonly Advance[])[] = [];
let positions: UnitPositions;
let work: BatchWork;
beforeEach(() => {
  nowMs = 1_000;
  passed = [];
  positions = new UnitPositions();
  const place = {
    logStore: { pass: async (_unit: unknown, steps: readonly Advance[]) => void passed.push(steps) },
    clock: { monotonicMs: () => nowMs },
    subscription: { concerns: () => false },
    unit: { group: "g", partition: 0, epoch: 1 },
    positions,
    lanes: new ParkedLanes(),
  };
  work = new BatchWork(place as unknown as UnitPlace);
});

/** Works an event that concerns no one. */
async function pass(topic: Topic, seq: number): Promise<void> {
  const item: BatchItem = { topic, seq, json: "{}", key: "k", event: {} as BusEvent, error: null };
  await work.commit([item]);
  await work.storePassed();
}

describe("events that do not concern a group", () => {
  test("are told to the log store at once, and those of the next 50 ms together", async () => {
    await pass(ORDERS, 1);
    expect(passed.splice(0)).toEqual([[{ topic: "orders", before: 0, after: 1 }]]);
    for (const seq of [2, 3]) await pass(ORDERS, seq);
    await pass(SIGNALS, 1);
    nowMs += 49;
    await work.storePassed();
    expect(passed).toEqual([]);
    expect(work.passDueAtMs).toBe(1_050);
    expect(positions.of("orders")).toBe(3);
    nowMs += 1;
    await work.storePassed();
    expect(passed).toEqual([
      [
        { topic: "orders", before: 1, after: 3 },
        { topic: "signals", before: 0, after: 1 },
      ],
    ]);
    expect(work.passDueAtMs).toBe(Number.POSITIVE_INFINITY);
  });

  test("are passed with the next step of their topic, which begins where the log store stands", async () => {
    for (const seq of [1, 2]) await pass(ORDERS, seq);
    const step = positions.stepTo("orders", 3);
    expect(step).toEqual({ topic: "orders", before: 1, after: 3 });
    positions.moved([step]);
    expect(work.passDueAtMs).toBe(Number.POSITIVE_INFINITY);
  });

  test("are worked anew where the log store has forgotten them", async () => {
    for (const seq of [1, 2]) await pass(ORDERS, seq);
    positions.learn([{ topic: "orders", seq: 0 }]);
    expect([positions.of("orders"), positions.storedOf("orders")]).toEqual([0, 0]);
  });
});

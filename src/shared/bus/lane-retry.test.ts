import { expect, test } from "bun:test";
import { createManualClock } from "#shared/clock/manual.ts";
import type { Tx } from "#shared/db/db.ts";
import { createMemoryDb } from "#shared/db/memory.ts";
import type { Topic } from "./bus.ts";
import { LaneRetry } from "./lane-retry.ts";
import type { Advance } from "./log-store.ts";
import { ParkedLanes } from "./parked-lanes.ts";
import type { UnitPlace } from "./unit-place.ts";
import { UnitPositions } from "./unit-positions.ts";

test("a lane is tried again under the position that the log store knows, whatever was passed since", async () => {
  const steps: (readonly Advance[])[] = [];
  const positions = new UnitPositions();
  positions.learn([{ topic: "orders", seq: 5 }]);
  positions.pass([positions.stepTo("orders", 9)]);
  const place = {
    db: createMemoryDb(),
    clock: createManualClock(),
    poison: { deadAfterTries: 3, deadlineMs: 1_000 },
    logStore: {
      advance: async (_tx: Tx, _unit: unknown, to: readonly Advance[]) => void steps.push(to),
      parking: { open: async () => [] },
    },
    subscription: { topics: [{ name: "orders", onDead: "block" } as Topic] },
    unit: { group: "g", partition: 0, epoch: 1, signal: new AbortController().signal },
    positions,
    lanes: new ParkedLanes(),
  };
  await new LaneRetry(place as unknown as UnitPlace).again({ topic: "orders", key: "k", size: 1, dueAtMs: 0 });
  expect(steps).toEqual([[{ topic: "orders", before: 5, after: 5 }]]);
});

import { afterEach, beforeEach, expect, test } from "bun:test";
import { pino } from "pino";
import { z } from "zod";
import { createManualClock, type ManualClock } from "#shared/clock/manual.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { createMemoryDb } from "#shared/db/memory.ts";
import type { BrokerPosition, Delivery } from "./broker.ts";
import type { SubscribeOptions, Topic } from "./bus.ts";
import { countOf, counts } from "./bus-world.fixture.ts";
import { encode } from "./envelope.ts";
import { createMemoryLogStore } from "./memory-log-store.ts";
import { UnitWorker } from "./unit-worker.ts";

const TOPIC: Topic = {
  name: "orders",
  class: "durable",
  version: 1,
  key: "key",
  onDead: "block",
  description: "of this test",
  schemas: { counted: z.object({ n: z.number().int() }) },
};
const LINGER_MS = 5;

let clock: ManualClock;
let giveUp: AbortController;
let running: Promise<void>;
/** The counts of each batch. */
let batches: number[][];
/** What the broker was told, in order. */
let acknowledged: string[];

function jsonOf(n: number): string {
  return encode({ topic: TOPIC, key: "k", type: "counted", data: { n } }, { source: "test", nowMs: () => 0 });
}

/** The event of this number, from a place that the broker alone understands. */
function delivered(seq: number, position: string): Delivery {
  return { topic: TOPIC.name, part: 0, seq, json: jsonOf(seq), position: position as BrokerPosition };
}

/** Begins a unit's work over a log with so many events; its handler notes what it is handed. */
async function workerOf(inLog = 0, over: Partial<SubscribeOptions> = {}): Promise<UnitWorker> {
  const [db, logStore] = [createMemoryDb(), createMemoryLogStore(clock)];
  const unit = { group: "g", partition: 0, role: "unit:g:0", epoch: 1, signal: giveUp.signal };
  const entries = counts(1, inLog).map((n) => ({ key: "k", type: "counted", version: 1, json: jsonOf(n) }));
  const positions = await db.transaction(async (tx) => {
    await logStore.append(tx, [{ topic: TOPIC.name, part: 0, entries }]);
    return logStore.take(tx, { group: "g", part: 0, epoch: 1 }, [TOPIC.name]);
  });
  const subscription: SubscribeOptions = {
    group: "g",
    topics: [TOPIC],
    handle: async (tx, events) => tx.afterCommit(() => batches.push(events.map(countOf))),
    ...over,
  };
  const shared = { db, logStore, clock, log: pino({ level: "silent" }), subscription };
  const poison = { deadAfterTries: 3, deadlineMs: 10_000 };
  const reader = {
    assign: () => undefined,
    read: () => Promise.resolve([]),
    acknowledge: (_stream: unknown, upTo: BrokerPosition) => void acknowledged.push(upTo),
    close: () => Promise.resolve(),
  };
  const worker = new UnitWorker(
    { ...shared, poison, onFlow: () => undefined },
    unit,
    { positions: positions.map((position) => ({ ...position, careful: 0 })), heads: [] },
    reader,
  );
  running = worker.run();
  return worker;
}

beforeEach(() => {
  clock = createManualClock();
  giveUp = new AbortController();
  batches = [];
  acknowledged = [];
});
afterEach(async () => {
  giveUp.abort();
  await running;
});

test("a unit that lingers takes what comes meanwhile as one batch", async () => {
  const worker = await workerOf(0, { lingerMs: LINGER_MS });
  worker.offer([delivered(1, "a")]);
  await until(() => clock.sleeping > 0);
  worker.offer(counts(2, 20).map((seq) => delivered(seq, `a${seq}`)));
  await clock.advance(LINGER_MS);
  await until(() => batches.length > 0);
  expect(batches).toEqual([counts(1, 20)]);
});

test("what a unit finds in the log as it begins does not linger", async () => {
  await workerOf(3, { lingerMs: LINGER_MS });
  await until(() => batches.length > 0);
  expect(batches).toEqual([[1, 2, 3]]);
});

test("the broker is told its own words of the last delivery that is done, whatever their order says", async () => {
  const worker = await workerOf();
  worker.offer([delivered(2, "x-1"), delivered(1, "x-2"), delivered(4, "x-3")]);
  await until(() => acknowledged.length > 0);
  expect([batches, acknowledged]).toEqual([[[1, 2]], ["x-1"]]);
  worker.offer([delivered(1, "x-4")]);
  await until(() => acknowledged.length > 1);
  worker.offer([delivered(3, "x-0")]);
  await until(() => acknowledged.length > 2);
  expect([batches, acknowledged]).toEqual([
    [[1, 2], [3]],
    ["x-1", "x-4", "x-0"],
  ]);
});

test("of what came from the log the broker is told nothing, until it delivers it too", async () => {
  const worker = await workerOf(3);
  await until(() => batches.length > 0);
  worker.offer([delivered(3, "late")]);
  await until(() => acknowledged.length > 0);
  expect([batches, acknowledged]).toEqual([[[1, 2, 3]], ["late"]]);
});

import { expect, test } from "bun:test";
import { pino } from "pino";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { createMemoryDb } from "#shared/db/memory.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { Delivery, GroupReader } from "./broker.ts";
import { countOf, topicFor } from "./bus-world.fixture.ts";
import { createBus } from "./create-bus.ts";
import { createMemoryBroker } from "./memory-broker.ts";
import { createMemoryLogStore } from "./memory-log-store.ts";
import { memoryLeader } from "./memory-world.fixture.ts";

function outage(): AppError {
  return new AppError("DATABASE_UNAVAILABLE", "outage", "It is away.");
}

test("what comes with the first answer after an outage is handled, though the log cannot be asked yet", async () => {
  const db = createMemoryDb();
  const store = createMemoryLogStore(systemClock);
  const memory = createMemoryBroker(systemClock);
  const [durable, volatile] = [topicFor("durable"), topicFor("volatile", { class: "volatile", maxLength: 100 })];
  let state: "well" | "away" | "back" = "well";
  const heads = store.heads.bind(store);
  const logStore = Object.assign(store, {
    heads: (topics: readonly string[]) => (state === "well" ? heads(topics) : Promise.reject(outage())),
  });
  let refused = 0;
  /** What came while it was away: the first answer after that brings it. */
  const held: Delivery[] = [];
  const groupReader = (group: string, member: string): GroupReader => {
    const reader = memory.groupReader(group, member);
    return {
      assign: (streams) => reader.assign(streams),
      acknowledge: (stream, upTo) => reader.acknowledge(stream, upTo),
      close: () => reader.close(),
      async read(count) {
        if (state !== "away") held.push(...(await reader.read(count)));
        if (state !== "away") return held.splice(0);
        refused += 1;
        throw outage();
      },
    };
  };
  const bus = createBus({
    db,
    logStore,
    broker: { ...memory, groupReader },
    leader: memoryLeader(new Map(), db, () => false),
    clock: systemClock,
    log: pino({ level: "silent" }),
    instance: "m",
    partitions: 1,
  });
  const seen: number[] = [];
  const send = (n: number) => bus.publishVolatile([{ topic: volatile, key: "k", type: "counted", data: { n } }]);
  await bus.subscribe({
    group: "g",
    topics: [durable, volatile],
    handle: () => Promise.resolve(),
    handleVolatile: (events) => Promise.resolve(void seen.push(...events.map(countOf))),
  }).ready;
  await send(1);
  await until(() => seen.length === 1);
  state = "away";
  await send(2);
  await until(() => refused > 0);
  state = "back";
  await until(() => seen.length === 2);
  state = "well";
  await send(3);
  await until(() => seen.includes(3));
  expect(seen).toEqual([1, 2, 3]);
  await bus.close();
});

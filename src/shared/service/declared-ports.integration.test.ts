import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { z } from "zod";
import { defineAlerts } from "#shared/alerts/alert-kinds.ts";
import { topicFor, type World } from "#shared/bus/bus-world.fixture.ts";
import { createMemoryWorld } from "#shared/bus/memory-world.fixture.ts";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import { ALERTS, event } from "#shared/messages/topics.ts";
import { createQueueFixture, numberTask, type QueueFixture } from "#shared/queue/queue.fixture.ts";
import { declaredBus, declaredQueue } from "./declared-ports.ts";

const KIND = { severity: "info", meaning: "It is so.", toDo: "Nothing.", ends: "fact" } as const;
const own = { name: "own", tasks: { works: [], asks: [] }, topics: { in: [], out: [] }, alerts: {} };

describe("the bus of a definition", () => {
  const [known, foreign] = [topicFor("known"), topicFor("foreign")];
  const volatile = topicFor("volatile", { class: "volatile" });
  let world: World;
  beforeAll(() => {
    world = createMemoryWorld();
  });
  afterAll(() => world.close());

  const busOf = async () => {
    const { bus } = await world.join();
    return declaredBus(bus, { ...own, topics: { in: [known], out: [known, volatile] } });
  };
  const refused = (does: string) =>
    `own ${does} the topic "${foreign.name}", which its definition (src/services/own/index.ts) does not say.`;

  test("carries what is declared", async () => {
    const bus = await busOf();
    const heard = Promise.withResolvers<unknown>();
    const running = bus.subscribe({
      group: "own",
      topics: [known],
      handle: async (_tx, events) => heard.resolve(events.map(({ data }) => data)),
    });
    await running.ready;
    await world.db.transaction(async (tx) =>
      bus.publish(tx, [{ topic: known, key: "k", type: "counted", data: { n: 1 } }]),
    );
    expect(await heard.promise).toEqual([{ n: 1 }]);
    await bus.publishVolatile([{ topic: volatile, key: "k", type: "counted", data: { n: 1 } }]);
    await running.close();
  });

  test("raises the alerts that are declared, and refuses any other", async () => {
    const { bus } = await world.join();
    const kinds = defineAlerts({ KNOWN: KIND, FOREIGN: KIND });
    const declared = declaredBus(bus, {
      ...own,
      topics: { in: [ALERTS], out: [ALERTS] },
      alerts: { KNOWN: kinds.KNOWN },
    });
    const heard = Promise.withResolvers<string[]>();
    const tail = declared.tail({
      topic: ALERTS,
      from: "now",
      handle: (events) => heard.resolve(events.map(({ data }) => data.code)),
    });
    await tail.ready;
    const raise = (code: "KNOWN" | "FOREIGN") => {
      const { severity } = kinds[code];
      const raised = { scope: "topic:a", code, severity, text: "It has happened.", atMs: 1, data: {} };
      return world.db.transaction(async (tx) => declared.publish(tx, [event(ALERTS, "a", "alert.raised", raised)]));
    };
    expect(await failureOf(raise("FOREIGN"))).toContain(
      'own raises the alert "FOREIGN", which its definition (src/services/own/index.ts) does not say.',
    );
    await raise("KNOWN");
    expect(await heard.promise).toEqual(["KNOWN"]);
    await tail.close();
  });

  test("refuses to follow, and to publish on, any other topic", async () => {
    const bus = await busOf();
    const event = { topic: foreign, key: "k", type: "counted", data: { n: 1 } };
    expect(() => bus.subscribe({ group: "own", topics: [known, foreign] })).toThrow(refused("follows"));
    expect(() => bus.tail({ topic: foreign, from: "now", handle: () => undefined })).toThrow(refused("follows"));
    expect(() => bus.publishVolatile([event])).toThrow(refused("publishes on"));
    const publishing = world.db.transaction(async (tx) => bus.publish(tx, [event]));
    expect(await failureOf(publishing)).toContain(refused("publishes on"));
  });
});

describe("the queue of a definition", () => {
  let fixture: QueueFixture;
  beforeAll(async () => {
    fixture = await createQueueFixture();
  });
  afterAll(() => fixture.close());

  test("works and asks for what is declared, and refuses all else", async () => {
    const [known, foreign] = [numberTask("known"), numberTask("foreign")];
    const queue = declaredQueue(fixture.process(), { ...own, tasks: { works: [known], asks: [known] } });
    const done = Promise.withResolvers<z.infer<typeof known.payload>>();
    const running = queue.work({
      queue: known.queue,
      tasks: [known],
      concurrency: 1,
      mode: "transaction",
      handle: async (_tx, [task]) => {
        if (task !== undefined) done.resolve(task.payload);
        return [{}];
      },
    });
    await running.ready;
    const ask = (task: typeof known) =>
      fixture.database.db.transaction((tx) => queue.enqueue(tx, { task, lane: "lane", payload: { n: 7 } }));
    await ask(known);
    expect(await done.promise).toEqual({ n: 7 });
    expect(await failureOf(ask(foreign))).toContain('own asks for the task "number", which its definition');
    const misplaced = () =>
      queue.work({
        queue: foreign.queue,
        tasks: [foreign],
        concurrency: 1,
        mode: "transaction",
        handle: async () => [{}],
      });
    expect(misplaced).toThrow('own works the task "number", which its definition');
    await running.close();
  });
});

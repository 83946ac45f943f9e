import { expect, test } from "bun:test";
import { pino } from "pino";
import type { OutgoingEvent } from "#shared/bus/bus.ts";
import { createManualClock } from "#shared/clock/manual.ts";
import { type Beat, beatSchema } from "#shared/messages/topics.ts";
import { BEAT_EVERY_MS, sendHeartbeats } from "./heartbeats.ts";
import { measureProcess } from "./process-load.ts";

const log = pino({ level: "silent" });
const CLOCK = { venue: "paper", offsetMs: -3, roundTripMs: 2, measuredAtMs: 9_000 };
const identity = { instance: "one", host: "desk", pid: 42, version: "1.0.0", startedAtMs: 1 };

test("a process beats for each of its services with what it waits for, misses nothing by a beat that failed, and says when it leaves", async () => {
  const clock = createManualClock(10_000);
  const sent: Beat[] = [];
  let away = false;
  const bus = {
    async publishVolatile(events: readonly OutgoingEvent[]) {
      if (away) throw new Error("Redis is away.");
      sent.push(...events.map(({ data }) => beatSchema.parse(data)));
    },
  };
  const waitsFor = ["Redis"];
  const services = [
    { name: "first", notReady: () => [], venueClocks: () => [CLOCK] },
    { name: "second", notReady: () => waitsFor },
  ];
  const load = async () => ({ memoryBytes: 1, loopDelayMs: 2, diskBytes: 3, diskFreeBytes: 4 });
  const ended = new AbortController();
  const beating = sendHeartbeats({ bus, clock, log, services, identity, load }, ended.signal);
  await clock.advance(0);
  away = true;
  await clock.advance(BEAT_EVERY_MS);
  away = false;
  waitsFor.pop();
  await clock.advance(BEAT_EVERY_MS);
  ended.abort();
  await beating;
  expect(sent.map(({ service, atMs, ready, leaving }) => [service, atMs, ready, leaving])).toEqual([
    ["first", 10_000, true, false],
    ["second", 10_000, false, false],
    ["first", 14_000, true, false],
    ["second", 14_000, true, false],
    ["first", 14_000, false, true],
    ["second", 14_000, false, true],
  ]);
  expect(sent.slice(0, 2).map(({ venueClocks }) => venueClocks)).toEqual([[CLOCK], []]);
  expect(sent[1]).toMatchObject({ ...identity, waitsFor: ["Redis"], memoryBytes: 1, loopDelayMs: 2 });
});

test("a process measures its memory, its disk and the longest time for which it did nothing else", async () => {
  const measure = measureProcess(".", () => 7);
  await Bun.sleep(50);
  await measure();
  const untilMs = performance.now() + 200;
  while (performance.now() < untilMs);
  await Bun.sleep(50);
  const busy = await measure();
  expect(busy.loopDelayMs).toBeGreaterThan(150);
  expect([busy.memoryBytes, busy.diskBytes > busy.diskFreeBytes, busy.diskFreeBytes > 0]).toEqual([7, true, true]);
  expect(await measureProcess("/no/such/folder", () => 7)()).toMatchObject({ diskBytes: 0, diskFreeBytes: 0 });
});

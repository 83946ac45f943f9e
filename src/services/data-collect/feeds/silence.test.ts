import { expect, test } from "bun:test";
import { createManualClock } from "#shared/clock/manual.ts";
import { createSilence } from "./silence.ts";

const SECOND_MS = 1_000;

/** A series of bars of one second that is wanted from the time zero on. */
function secondsOn({ isReplay = false } = {}) {
  const clock = createManualClock(0);
  const marketNowMs = isReplay ? null : () => clock.nowMs();
  return { clock, silence: createSilence({ lengthMs: SECOND_MS, staleAfterMs: 2_000, marketNowMs, clock }) };
}

test("a series without a bar is unknown until the first one is overdue, whatever frames come", async () => {
  const { clock, silence } = secondsOn();
  await clock.advance(2_999);
  silence.heard();
  expect(silence.staleSinceMs()).toBe("unknown");
  await clock.advance(1);
  silence.heard();
  expect(silence.staleSinceMs()).toBe(3_000);
});

test("bars that come late again and again, between frames, are stale once", async () => {
  const { clock, silence } = secondsOn();
  silence.wentOut(0);
  const seen = new Set<unknown>();
  for (let second = 1; second < 60; second += 1) {
    await clock.advance(SECOND_MS);
    silence.heard();
    seen.add(silence.staleSinceMs());
    if (silence.isOverdue()) silence.wentOut(clock.nowMs());
  }
  expect([...seen]).toEqual([null, 3_000]);
});

test("bars that the venue's list tells while no frame comes are stale", async () => {
  const { clock, silence } = secondsOn();
  silence.wentOut(0);
  await clock.advance(3_000);
  expect(silence.staleSinceMs()).toBe(3_000);
  for (let second = 0; second < 10; second += 1) {
    silence.wentOut(clock.nowMs());
    await clock.advance(SECOND_MS);
    expect(silence.staleSinceMs()).toBe(3_000);
  }
  silence.heard();
  expect(silence.staleSinceMs()).toBeNull();
});

test("a replay is never stale", async () => {
  const { clock, silence } = secondsOn({ isReplay: true });
  await clock.advance(60_000);
  expect([silence.staleSinceMs(), silence.isOverdue()]).toEqual([null, true]);
});

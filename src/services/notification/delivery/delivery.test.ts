import { describe, expect, test } from "bun:test";
import { afterTries, type Delivery, freshDelivery, pauseMs, type Tried } from "./delivery.ts";

const sent = (seq: number) => ({ seq, verdict: { kind: "sent" as const } });
const refused = (seq: number) => ({ seq, verdict: { kind: "refused" as const, reason: "It answered with 410." } });
const failure = { kind: "later" as const, reason: "It answered with 503.", retryAfterMs: null };
const fresh = freshDelivery(5);
const after = (before: Delivery, tried: Tried, nowMs = 1_000) => afterTries(before, tried, { nowMs, downAfterMs: 500 });

describe("how a lane gets on", () => {
  test("what is sent or refused is over, and a failure ends the row", () => {
    const { delivery } = after(fresh, { ended: [sent(6), refused(7), sent(8)], failure });
    expect(delivery).toMatchObject({ doneSeq: 8, failures: 1, failingSinceMs: 1_000, isDown: false });
  });

  test("a channel is down once it has failed for long enough, whatever the number of failures", () => {
    const once = after(fresh, { ended: [], failure }, 1_000);
    expect(once.told).toEqual({});
    const twice = after(once.delivery, { ended: [], failure }, 1_499);
    expect(twice).toMatchObject({ told: {}, delivery: { failures: 2, failingSinceMs: 1_000, isDown: false } });
    const third = after(twice.delivery, { ended: [], failure }, 1_500);
    expect(third).toMatchObject({ told: { down: true }, delivery: { failures: 3, isDown: true } });
  });

  test("one that takes a message again, or refuses it, was down: it says since when", () => {
    const down = { ...fresh, failures: 9, failingSinceMs: 100, isDown: true };
    for (const ended of [[sent(6)], [refused(6)]])
      expect(after(down, { ended, failure: null })).toMatchObject({
        told: { down: false, delayedSinceMs: 100 },
        delivery: { failures: 0, failingSinceMs: null, isDown: false },
      });
  });

  test("one that only stumbled says nothing", () => {
    const stumbled = { ...fresh, failures: 1, failingSinceMs: 900 };
    expect(after(stumbled, { ended: [sent(6)], failure: null })).toEqual({
      told: {},
      delivery: { ...fresh, doneSeq: 6 },
    });
  });

  test("a refusal is told each time, and is over with the first message that is taken", () => {
    const one = after(fresh, { ended: [sent(6), refused(7)], failure: null });
    expect(one).toMatchObject({ told: { refusing: true }, delivery: { isRefusing: true } });
    expect(after(one.delivery, { ended: [refused(8)], failure: null }).told).toEqual({ refusing: true });
    expect(after(one.delivery, { ended: [], failure }).delivery.isRefusing).toBe(true);
    const over = after(one.delivery, { ended: [sent(8)], failure: null });
    expect(over).toMatchObject({ told: { refusing: false }, delivery: { isRefusing: false } });
  });
});

describe("the pause after failures", () => {
  test.each<[number, number | null, number]>([
    [1, null, 1_000],
    [2, null, 2_000],
    [5, null, 16_000],
    [40, null, 300_000],
    [1, 30_000, 30_000],
    [40, 30_000, 300_000],
  ])("after %p failures, where %p ms are asked for: %p ms", (failures, retryAfterMs, expected) => {
    expect(pauseMs({ failures, firstMs: 1_000 }, retryAfterMs, 0.5)).toBe(expected);
  });
});

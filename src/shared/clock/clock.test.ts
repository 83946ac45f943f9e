import { describe, expect, test } from "bun:test";
import { createManualClock } from "./manual.ts";
import { systemClock } from "./system.ts";

describe("manual clock", () => {
  test("sleepers wake in order of their time, each at its own", async () => {
    const clock = createManualClock(1_000);
    const woken: [string, number][] = [];
    const sleep = async (name: string, ms: number) => {
      await clock.sleep(ms);
      woken.push([name, clock.nowMs()]);
    };
    const all = [sleep("late", 30), sleep("early", 10)];
    await clock.advance(9);
    expect(woken).toEqual([]);
    await clock.advance(21);
    await Promise.all(all);
    expect(woken).toEqual([
      ["early", 1_010],
      ["late", 1_030],
    ]);
    expect(clock.monotonicMs()).toBe(30);
  });

  test("what is to run after a while runs at its time, and not once it was called off", async () => {
    const clock = createManualClock();
    const ran: [string, number][] = [];
    clock.after(20, () => ran.push(["kept", clock.nowMs()]));
    const callOff = clock.after(10, () => ran.push(["called off", clock.nowMs()]));
    expect(clock.sleeping).toBe(2);
    callOff();
    await clock.advance(30);
    expect([ran, clock.sleeping]).toEqual([[["kept", 20]], 0]);
  });

  test("who sleeps again within the same advance is woken again", async () => {
    const clock = createManualClock();
    let rounds = 0;
    void (async () => {
      for (;;) {
        await clock.sleep(10);
        rounds += 1;
      }
    })();
    await clock.advance(35);
    expect(rounds).toBe(3);
  });
});

const manual = createManualClock();

describe.each([
  ["system", systemClock, () => systemClock.sleep(1)],
  ["manual", manual, () => manual.advance(1)],
] as const)("%s clock", (_name, clock, passOne) => {
  test("an abort ends a sleep at once", async () => {
    const stopping = new AbortController();
    const sleeping = clock.sleep(60_000, stopping.signal);
    stopping.abort();
    await sleeping;
    await clock.sleep(60_000, stopping.signal);
  });

  test("what was called off does not run, however often it was", async () => {
    let ran = 0;
    const callOff = clock.after(0, () => {
      ran += 1;
    });
    callOff();
    callOff();
    await passOne();
    expect(ran).toBe(0);
  });

  test("the stamp agrees with the wall clock to a few milliseconds", () => {
    const beforeMs = clock.nowMs();
    const stampMs = clock.stampMs();
    const afterMs = clock.nowMs();
    expect(stampMs).toBeGreaterThan(beforeMs - 20);
    expect(stampMs).toBeLessThan(afterMs + 20);
  });
});

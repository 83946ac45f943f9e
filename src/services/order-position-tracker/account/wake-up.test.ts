import { expect, test } from "bun:test";
import { createManualClock } from "#shared/clock/manual.ts";
import { createWakeUp } from "./wake-up.ts";

/** A wait whose end shows. */
function waitFor(woken: Promise<void>) {
  const wait = { isOver: false, woken };
  void woken.then(() => {
    wait.isOver = true;
  });
  return wait;
}

test("a wait ends with a wake-up, and one that came before it ends it at once; many are one", async () => {
  const wakeUp = createWakeUp(createManualClock(), new AbortController().signal);
  const first = waitFor(wakeUp.woken());
  await Promise.resolve();
  expect(first.isOver).toBe(false);
  wakeUp.wake();
  wakeUp.wake();
  await first.woken;
  wakeUp.wake();
  wakeUp.wake();
  await wakeUp.woken();
  const next = waitFor(wakeUp.woken());
  await Promise.resolve();
  expect(next.isOver).toBe(false);
});

test("a wait ends by the clock, and not before", async () => {
  const clock = createManualClock();
  const wakeUp = createWakeUp(clock, new AbortController().signal);
  const wait = waitFor(wakeUp.woken(1_000));
  await clock.advance(999);
  expect(wait.isOver).toBe(false);
  await clock.advance(1);
  await wait.woken;
  // A wake-up before it leaves no timer behind that would end the next wait.
  const woken = wakeUp.woken(1_000);
  wakeUp.wake();
  await woken;
  const next = waitFor(wakeUp.woken());
  await clock.advance(5_000);
  expect(next.isOver).toBe(false);
});

test("the signal's abort ends a wait, and each one after it", async () => {
  const stopping = new AbortController();
  const wakeUp = createWakeUp(createManualClock(), stopping.signal);
  const wait = wakeUp.woken();
  stopping.abort();
  await wait;
  await wakeUp.woken();
  await wakeUp.woken();
});

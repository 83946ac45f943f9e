import { expect, test } from "bun:test";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import type { Progress } from "./at-rest.ts";
import { untilLastBar } from "./play-demo.ts";

const LINE = { say: () => undefined };

/** A run that stands at its first bar until it is told that it is done. */
function standing() {
  const at: Progress = { bar: 1, orders: 0, equity: null, waitsFor: "a task", done: false, faults: [] };
  const told: string[] = [];
  const watched = {
    bars: 3,
    progress: () => at,
    look: () => Promise.resolve(),
    onFirstOrder: () => undefined,
    stuckAfterMs: 30,
  };
  return { at, told, watched };
}

test("a demo that stands for long is said so once each time, and watched on", async () => {
  const { at, told, watched } = standing();
  const watching = untilLastBar(LINE, {
    ...watched,
    onStuck(sentence) {
      told.push(sentence);
      if (told.length === 2) at.done = true;
      // It moves, and stands again.
      else at.bar = 2;
    },
  });
  await watching;
  expect(told).toEqual([
    "The demo stands at bar 1 of 3, 0 orders, equity -: a task",
    "The demo stands at bar 2 of 3, 0 orders, equity -: a task",
  ]);
});

test("one that has to end ends where it is told that it stands", async () => {
  const { watched } = standing();
  const onStuck = (sentence: string) => {
    throw new Error(sentence);
  };
  expect(String(await failureOf(untilLastBar(LINE, { ...watched, onStuck })))).toContain("stands at bar 1 of 3");
});

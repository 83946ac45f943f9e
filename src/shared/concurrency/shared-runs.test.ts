import { expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import { SharedRuns } from "./shared-runs.ts";

/** Work that ends when it is told to; each answers its number. */
function works() {
  const ends: ((answer: number | Error) => void)[] = [];
  const work = (): Promise<number> =>
    new Promise((resolve, reject) => {
      ends.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
    });
  return { ends, work };
}

test("who asks while some is under way shares the next one, which begins after it", async () => {
  const runs = new SharedRuns<number>();
  const { ends, work } = works();
  const first = runs.run("a", work);
  const others = [runs.run("a", work), runs.run("a", work), runs.run("a", work)];
  expect(ends).toHaveLength(1);
  ends[0]?.(1);
  expect(await first).toBe(1);
  await until(() => ends.length === 2);
  ends[1]?.(2);
  expect(await Promise.all(others)).toEqual([2, 2, 2]);
  const later = runs.run("a", work);
  ends[2]?.(3);
  expect(await later).toBe(3);
});

test("one that fails is the failure of who shared it alone, and keys know nothing of each other", async () => {
  const runs = new SharedRuns<number>();
  const { ends, work } = works();
  const failing = runs.run("a", work);
  const next = runs.run("a", work);
  const other = runs.run("b", work);
  ends[0]?.(new Error("on purpose"));
  expect(await failureOf(failing)).toBe("Error: on purpose");
  ends[1]?.(7);
  expect(await other).toBe(7);
  await until(() => ends.length === 3);
  ends[2]?.(8);
  expect(await next).toBe(8);
});

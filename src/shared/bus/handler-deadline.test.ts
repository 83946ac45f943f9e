import { expect, test } from "bun:test";
import { createManualClock } from "#shared/clock/manual.ts";
import { answers } from "./handler-deadline.ts";
import type { UnitPlace } from "./unit-place.ts";

/** Whether a database with this ping is taken for one that answers, once so many milliseconds are over. */
async function afterMs(ms: number, ping: () => Promise<void>): Promise<boolean | "not known"> {
  const clock = createManualClock();
  let known: boolean | "not known" = "not known";
  void answers({ db: { ping }, clock } as unknown as UnitPlace).then((answer) => {
    known = answer;
  });
  await clock.advance(ms);
  return known;
}

test("a database answers that says so within a second", async () => {
  expect(await afterMs(0, () => Promise.resolve())).toBe(true);
  expect(await afterMs(0, () => Promise.reject(new Error("away")))).toBe(false);
  const silent = () => new Promise<void>(() => undefined);
  expect(await afterMs(999, silent)).toBe("not known");
  expect(await afterMs(1_001, silent)).toBe(false);
});

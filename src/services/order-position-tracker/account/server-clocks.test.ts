import { expect, test } from "bun:test";
import { pino } from "pino";
import { createManualClock, type ManualClock } from "#shared/clock/manual.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import { createServerClocks } from "./server-clocks.ts";

const log = pino({ level: "silent" });
const START_MS = 1_700_000_000_000;
const MINUTE_MS = 60_000;

/** Accounts at a venue in wall time and at a replay; each question takes 40 ms. */
function clocksOf(aheadMs: () => number) {
  const clock = createManualClock(START_MS);
  const asked: string[] = [];
  const at = { paper: () => clock.nowMs(), replay: () => null };
  const exchanges = {
    accounts: [
      { id: "mine", venue: "paper" },
      { id: "old", venue: "replay" },
    ],
    marketNowMs: (venue: keyof typeof at) => at[venue](),
    account: (id: string) => ({
      venue: id === "mine" ? "paper" : "replay",
      async serverTimeMs() {
        asked.push(`${id} ${clock.nowMs() - START_MS}`);
        await clock.sleep(20);
        const toldMs = clock.nowMs() + aheadMs();
        await clock.sleep(20);
        return toldMs;
      },
    }),
  } as unknown as Exchanges;
  return { clock, asked, clocks: createServerClocks({ exchanges, clock, log }) };
}

/** Moves the clock on in steps, so that what sleeps wakes at its time. */
async function pass(clock: Pick<ManualClock, "advance">, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) await clock.advance(10);
}

const NONE = { offsetMs: null, roundTripMs: null, measuredAtMs: null };

test("a venue's clock is measured at the middle of the round trip, once a minute where nobody else does, and a replay's never", async () => {
  let aheadMs = 700;
  const { clock, asked, clocks } = clocksOf(() => aheadMs);
  expect(clocks.readings()).toEqual([
    { venue: "paper", ...NONE },
    { venue: "replay", ...NONE },
  ]);
  const ended = new AbortController();
  const kept = clocks.keepMeasured(MINUTE_MS, ended.signal);
  await pass(clock, 100);
  expect(clocks.readings()).toEqual([
    { venue: "paper", offsetMs: 700, roundTripMs: 40, measuredAtMs: START_MS + 40 },
    { venue: "replay", ...NONE },
  ]);
  expect(clocks.nowMs("mine")).toBe(clock.nowMs() + 700);
  aheadMs = -900;
  await pass(clock, 30_000);
  const measured = clocks.measure("mine");
  await pass(clock, 50);
  await measured;
  expect(clocks.readings()[0]).toMatchObject({ offsetMs: -900, roundTripMs: 40 });
  await pass(clock, MINUTE_MS + 100);
  expect(asked).toEqual(["mine 0", "mine 30100", "mine 90140"]);
  // Requests to a replay are signed by its server clock all the same.
  const signed = clocks.measure("old");
  await pass(clock, 50);
  await signed;
  expect(clocks.nowMs("old")).toBe(clock.nowMs() - 900);
  expect(clocks.readings()[1]).toEqual({ venue: "replay", ...NONE });
  ended.abort();
  await kept;
});

test("a venue that does not tell its time is asked again after pauses that grow, and what was measured stands meanwhile", async () => {
  let isAway = false;
  const { clock, asked, clocks } = clocksOf(() => {
    if (isAway) throw new AppError("VENUE_UNAVAILABLE", "outage", "It is away.");
    return 5;
  });
  const ended = new AbortController();
  const kept = clocks.keepMeasured(MINUTE_MS, ended.signal);
  await pass(clock, 100);
  isAway = true;
  await pass(clock, MINUTE_MS + 8_000);
  const pauses = asked.map((line) => Number(line.split(" ")[1])).map((ms, at, all) => ms - (all[at - 1] ?? 0));
  // By a quarter to both sides.
  expect(pauses.length).toBeGreaterThanOrEqual(4);
  expect(pauses[2]).toBeWithin(750, 1_300);
  expect(pauses[3]).toBeWithin(1_500, 2_550);
  expect(clocks.readings()[0]).toMatchObject({ offsetMs: 5 });
  isAway = false;
  await pass(clock, 10_000);
  expect(clocks.readings()[0]?.measuredAtMs).toBeGreaterThan(START_MS + MINUTE_MS);
  ended.abort();
  await kept;
});

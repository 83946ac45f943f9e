import { describe, expect, test } from "bun:test";
import { state } from "#services/paper-exchange/control.fixture.ts";
import { marketSettings, startVenue } from "#services/paper-exchange/venue.fixture.ts";
import { createManualClock } from "#shared/clock/manual.ts";

const DAY_MS = 86_400_000;

describe("a replay driven by the clock", () => {
  test("shows a bar's prices over its length, divided by the speed, and finishes", async () => {
    const clock = createManualClock(Date.UTC(2026, 0, 1));
    const venue = await startVenue({
      markets: (bars) => [marketSettings(bars, { pace: { speed: 1_000 }, limit: 2 })],
      clock,
    });
    const at = async () => {
      const { bar, phase, halted, finished } = await state(venue.url());
      return { bar, phase, halted, finished };
    };
    await clock.advance(0);
    expect(await at()).toEqual({ bar: 0, phase: "open", halted: false, finished: false });
    await clock.advance(DAY_MS / 3_000 - 1);
    expect(await at()).toMatchObject({ phase: "open" });
    await clock.advance(1);
    expect(await at()).toMatchObject({ bar: 0, phase: "low" });
    await venue.restart();
    await clock.advance(DAY_MS / 3_000);
    expect(await at()).toMatchObject({ bar: 0, phase: "high" });
    await clock.advance(DAY_MS / 3_000);
    expect(await at()).toMatchObject({ bar: 1, phase: "open" });
    await clock.advance(DAY_MS / 1_000);
    expect(await at()).toEqual({ bar: 2, phase: "bar-closed", halted: true, finished: true });
    await venue.stop();
    expect(clock.sleeping).toBe(0);
  });
});

import { expect, test } from "bun:test";
import { pino } from "pino";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { createManualClock } from "#shared/clock/manual.ts";
import { createBookAgain } from "./book-again.ts";

test("what could not be booked is asked for again after pauses that double up to a minute, and at once when it is new", async () => {
  const clock = createManualClock();
  const askedAtMs: number[] = [];
  let waiting = [{ instrumentId: "i", venueOrderId: "1", clientOrderId: "c", tradeIds: ["1"] }];
  const account = {
    async fills() {
      askedAtMs.push(clock.nowMs());
      return { fills: [], unreadable: [], rows: 0, lastId: null };
    },
  };
  const context = {
    deps: {
      clock,
      db: { sql: async () => waiting },
      exchanges: { account: () => account },
      log: pino({ level: "silent" }),
    },
    settings: { R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS: 10_000 },
    instruments: { byId: async () => ({ id: "i" }) },
  };
  const again = createBookAgain(context as unknown as TrackerContext, "account", async () => undefined);
  const runFor = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 1_000) {
      await again.run();
      await clock.advance(1_000);
    }
  };
  await runFor(200_000);
  expect(askedAtMs).toEqual([0, 20_000, 60_000, 120_000, 180_000]);
  const kept = waiting;
  waiting = [];
  await runFor(60_000);
  waiting = kept;
  await runFor(30_000);
  expect(askedAtMs.slice(5)).toEqual([260_000, 280_000]);
});

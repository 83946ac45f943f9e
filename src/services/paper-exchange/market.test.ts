import { describe, expect, test } from "bun:test";
import { createManualClock } from "#shared/clock/manual.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { noFailpoints } from "#shared/service/create-failpoints.ts";
import { readBars } from "./bars.ts";
import { instrumentOf } from "./instrument.ts";
import { Market } from "./market.ts";
import { marketSchema } from "./settings.ts";
import { openStore } from "./store.ts";
import { csvOf, marketSettings } from "./venue.fixture.ts";

describe("a market whose file cannot be written", () => {
  test("does nothing, says that it waits, and goes on from where it stood once it can", () => {
    const settings = marketSchema.parse(marketSettings("bars.csv"));
    const file = openStore(":memory:", "a market");
    let isFull = false;
    const market = new Market({
      firstPrice: "next",
      synthetic: null,
      latencyMs: 0,
      id: settings.id,
      instrument: instrumentOf(settings),
      account: settings.account,
      replay: {
        bars: readBars(csvOf(2), { timeFrame: "1d", priceStep: "0.000001", sizeStep: "0.0001", file: "bars.csv" }),
        timeFrame: "1d",
        lockstep: true,
      },
      store: {
        ...file,
        write(changes, cursor) {
          if (isFull) throw new AppError("SERVICE_UNAVAILABLE", "outage", "The disk is full.");
          file.write(changes, cursor);
        },
      },
      clock: createManualClock(),
      failpoints: noFailpoints,
    });
    expect(market.canCommit()).toBe(true);
    isFull = true;
    expect(() => market.release(0)).toThrow("The disk is full.");
    expect({ canCommit: market.canCommit(), step: market.cursor.step }).toEqual({ canCommit: false, step: 0 });
    isFull = false;
    expect(market.canCommit()).toBe(true);
    expect(market.release(0)).toBe("released");
    expect(market.cursor).toMatchObject({ step: 1, bar: 1 });
    market.close();
  });
});

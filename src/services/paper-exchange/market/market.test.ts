import { describe, expect, test } from "bun:test";
import { readBars } from "#services/paper-exchange/prices/bars.ts";
import { marketSchema } from "#services/paper-exchange/settings.ts";
import { csvOf, marketSettings, syntheticSettings } from "#services/paper-exchange/venue.fixture.ts";
import { createManualClock } from "#shared/clock/manual.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { noFailpoints } from "#shared/service/create-failpoints.ts";
import { instrumentOf } from "./instrument.ts";
import { Market } from "./market.ts";
import { openStore } from "./store.ts";

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

describe("the bars of a synthetic market", () => {
  const BEGIN_MS = Date.UTC(2026, 0, 1, 12, 0, 0, 400);

  function begin() {
    const settings = marketSchema.parse(syntheticSettings());
    const file = openStore(":memory:", "a market");
    const at = { nowMs: BEGIN_MS, isFull: false };
    const market = new Market({
      firstPrice: "next",
      id: settings.id,
      instrument: instrumentOf(settings),
      account: settings.account,
      replay: null,
      synthetic: { startPrice: "30000", history: () => [], regimeAt: () => "quiet", halfSpread: "0" },
      latencyMs: 0,
      store: {
        ...file,
        write(changes, cursor) {
          if (at.isFull) throw new AppError("SERVICE_UNAVAILABLE", "outage", "The disk is full.");
          file.write(changes, cursor);
        },
      },
      clock: { ...createManualClock(), nowMs: () => at.nowMs },
      failpoints: noFailpoints,
    });
    const closed = () =>
      market.closedBars("1s").map((bar) => `${(bar.openAtMs / 1_000) % 60} ${bar.close} ${bar.volume}`);
    const trade = (afterMs: number, price: string) => {
      at.nowMs = BEGIN_MS + afterMs;
      return market.trade({ price, size: "1" });
    };
    return { market, at, closed, trade };
  }

  test("are there without a gap from its first moment, also where the first trade comes late", () => {
    const { closed, trade } = begin();
    trade(2_700, "30001");
    expect(closed()).toEqual(["0 30000 0", "1 30000 0", "2 30000 0"]);
  });

  test("end with their time: a trade that comes before anyone has closed them is of the next one", () => {
    const { closed, trade } = begin();
    trade(0, "30001");
    trade(600, "30002");
    trade(1_600, "30003");
    expect(closed()).toEqual(["0 30001 1", "1 30002 1"]);
  });

  test("stay closed where the clock is set back", () => {
    const { market, at, closed, trade } = begin();
    trade(0, "30001");
    at.nowMs = BEGIN_MS + 600;
    market.closeCandles();
    expect(trade(500, "30002").atMs).toBe(BEGIN_MS + 600);
    trade(1_600, "30003");
    expect(closed()).toEqual(["0 30001 1", "1 30002 1"]);
  });

  test("are not shown where they could not be committed", () => {
    const { at, closed, market, trade } = begin();
    trade(0, "30001");
    at.isFull = true;
    expect(() => trade(1_600, "30002")).toThrow("The disk is full.");
    expect(closed()).toEqual([]);
    at.isFull = false;
    market.closeCandles();
    expect(closed()).toEqual(["0 30001 1", "1 30001 0"]);
  });
});

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { pino } from "pino";
import { KEYS, marketSettings, startVenue, type TestVenue } from "#services/paper-exchange/venue.fixture.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { createBinanceExchanges } from "#shared/exchange/binance-exchanges.ts";
import type { AccountEvent, Exchanges, PlaceRequest } from "#shared/exchange/exchange.ts";

/** The engine's own connector on the simulated venue, beyond what its contract suite in `src/shared/exchange` holds. */

let venue: TestVenue;
let exchanges: Exchanges;
let instrument: Instrument;
let url: string;

function orderOf(more: Partial<PlaceRequest> = {}): PlaceRequest {
  return {
    instrument,
    clientOrderId: "demo0000-1",
    side: "BUY",
    style: { type: "MARKET" },
    size: "10",
    signedAtMs: Date.now(),
    recvWindowMs: 5_000,
    ...more,
  };
}

beforeAll(async () => {
  venue = await startVenue({ markets: (bars) => [marketSettings(bars)] });
  url = venue.url();
  exchanges = createBinanceExchanges({
    venues: [{ id: "paper", connector: "binance", restUrl: url }],
    accounts: [{ id: "demo", venue: "paper", ...KEYS }],
    clock: systemClock,
    log: pino({ level: "silent" }),
  });
  const [only] = await exchanges.marketData("paper").instruments();
  if (only === undefined) throw new Error("The venue has no instrument.");
  instrument = only;
});

afterAll(async () => {
  await exchanges.close();
  await venue.stop();
});

test("nothing here is live", () => {
  expect(exchanges.live).toBe(false);
});

describe.each([
  ["ahead", 5_000],
  ["behind", -20_000],
])("a host whose clock is %s of the venue's", (_name, offMs) => {
  const host = (offNowMs: () => number) =>
    createBinanceExchanges({
      venues: [{ id: "paper", connector: "binance", restUrl: url }],
      accounts: [{ id: "demo", venue: "paper", ...KEYS }],
      clock: { ...systemClock, nowMs: () => systemClock.nowMs() + offNowMs() },
      log: pino({ level: "silent" }),
    });

  test("asks, cancels and follows its account all the same", async () => {
    const off = host(() => offMs);
    const demo = off.account("demo");
    const stop = new AbortController();
    const events: AccountEvent[] = [];
    let connected = 0;
    const end = demo.follow({
      signal: stop.signal,
      onEvent: (event) => events.push(event),
      onConnected: () => (connected += 1),
    });
    try {
      await until(() => connected === 1);
      const clientOrderId = `clock${offMs}`.replace("-", "m");
      const style = { type: "LIMIT", price: "50", timeInForce: "GTC" } as const;
      const query = { instrument, clientOrderId };
      expect(await demo.place(orderOf({ clientOrderId, size: "1", style }))).toMatchObject({ kind: "accepted" });
      expect(await demo.order(query)).toMatchObject({ status: "NEW" });
      expect(await demo.openOrders(instrument)).toMatchObject([{ clientOrderId }]);
      expect(await demo.cancel(query)).toMatchObject({ kind: "canceled" });
      expect(await demo.balances()).toContainEqual({ asset: "USD", free: "10000", locked: "0" });
      await until(() => events.some((event) => event.order.status === "CANCELED"));
    } finally {
      stop.abort();
      await end;
      await off.close();
    }
  });

  test("finds its way back when the clock steps while it runs", async () => {
    let stepMs = 0;
    const off = host(() => stepMs);
    const demo = off.account("demo");
    expect(await demo.balances()).not.toEqual([]);
    stepMs = offMs;
    expect(await demo.balances()).not.toEqual([]);
    // An order's own window is committed: it is never moved.
    const late = orderOf({ clientOrderId: "demo0000-9", signedAtMs: Date.now() - 60_000 });
    expect(await demo.place(late)).toEqual({ kind: "window-passed" });
    await off.close();
  });
});

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import { type Fill, ORDER_STATES, type OrderRequest, type OrderState } from "#shared/domain/order.ts";
import type { VenueOrder } from "#shared/exchange/exchange.ts";
import { newOrder } from "#shared/orders/new-order.ts";
import {
  applyOrderEvent,
  isTerminal,
  ORDER_TRANSITIONS,
  type OrderEvent,
  type TrackedOrder,
} from "#shared/orders/order-state.ts";
import { track } from "#shared/orders/tracked-order.fixture.ts";
import { readVenueOrder } from "#shared/orders/venue-state.ts";

const REQUEST: OrderRequest = {
  id: "00000000-0000-4000-8000-000000000001",
  clientOrderId: "abcdefgh-1",
  sessionId: "s",
  number: 1,
  signalId: "g",
  signalOrders: 1,
  accountId: "a",
  instrumentId: "SPX/USD.paper",
  side: "BUY",
  style: { type: "MARKET" },
  size: "1",
  reduceOnly: false,
  marketAtMs: 0,
  validUntilMs: null,
  receivedAtMs: 0,
  signalAtMs: 0,
  decidedAtMs: 0,
};

function inState(state: OrderState): TrackedOrder {
  return track({ ...newOrder(REQUEST), state });
}

function fillOf(tradeId: string, size: string, price = "100"): Fill {
  const { sessionId, accountId, instrumentId, side } = REQUEST;
  const ids = { orderId: REQUEST.id, sessionId, accountId, instrumentId };
  return { tradeId, ...ids, side, price, size, fee: "0.001", feeAsset: "SPX", maker: false, atMs: Number(tradeId) };
}

function changed(tracked: TrackedOrder, event: OrderEvent) {
  const change = applyOrderEvent(tracked, event);
  if (change.kind !== "changed") throw new Error(`The event was ${change.kind}.`);
  return change;
}

const state = fc.constantFrom(...ORDER_STATES);
const stateEvent = state.map((to): OrderEvent => ({ kind: "state", to }));
const fillEvent = fc.record({ id: fc.integer({ min: 1, max: 8 }), tenths: fc.integer({ min: 1, max: 6 }) }).map(
  ({ id, tenths }): OrderEvent => ({
    kind: "fill",
    fill: fillOf(String(id), plain(decimal(String(tenths)).div(10))),
  }),
);

describe("the order state machine", () => {
  test("the states without a way out are the five ends", () => {
    expect(ORDER_STATES.filter(isTerminal)).toEqual(["DENIED", "FILLED", "CANCELED", "EXPIRED", "REJECTED"]);
  });

  test("holds its invariants under any sequence of events", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(stateEvent, fillEvent), { maxLength: 40 }), (events) => {
        let tracked = inState("INITIALIZED");
        let sum = ZERO;
        const seen = new Set<string>();
        for (const event of events) {
          const before = tracked;
          const change = applyOrderEvent(tracked, event);
          if (event.kind === "fill" && !seen.has(event.fill.tradeId)) {
            seen.add(event.fill.tradeId);
            sum = sum.plus(event.fill.size);
            expect(change.kind).toBe("changed");
          }
          if (change.kind !== "changed") continue;
          tracked = change.tracked;
          const { order } = tracked;
          expect(plain(sum)).toBe(order.filledSize);
          expect(decimal(order.filledSize).gte(before.order.filledSize)).toBe(true);
          expect(order.version).toBe(before.order.version + 1);
          if (sum.gte(order.size) && event.kind === "fill") expect(order.state).toBe("FILLED");
          if (order.state === "FILLED") expect(sum.gte(order.size)).toBe(true);
          const from = before.order.state;
          if (event.kind === "state") expect(ORDER_TRANSITIONS[from]).toContain(order.state);
          if (isTerminal(from)) expect([from, "FILLED"]).toContain(order.state);
          expect(applyOrderEvent(tracked, event)).toEqual({ kind: "same", alerts: [] });
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("applyOrderEvent", () => {
  test("an illegal change is a value that changes nothing", () => {
    expect(applyOrderEvent(inState("FILLED"), { kind: "state", to: "CANCELED" })).toEqual({
      kind: "refused",
      from: "FILLED",
      to: "CANCELED",
    });
  });

  test("FILLED comes from fills alone", () => {
    expect(applyOrderEvent(inState("ACCEPTED"), { kind: "state", to: "FILLED" }).kind).toBe("refused");
  });

  test("the average is made from the fills and the fees are summed by asset", () => {
    const first = changed(inState("SUBMITTED"), { kind: "fill", fill: fillOf("7", "0.25", "100") });
    const second = changed(first.tracked, { kind: "fill", fill: fillOf("9", "0.75", "101") });
    expect(first.tracked.order).toMatchObject({ state: "PARTIALLY_FILLED", averagePrice: "100" });
    expect(second.tracked.order).toMatchObject({
      state: "FILLED",
      averagePrice: "100.75",
      fees: { SPX: "0.002" },
      filledAtMs: 9,
    });
  });

  test.each(["constructor", "__proto__"])("a fee in an asset that is called %s is one of its own", (feeAsset) => {
    const fill = { ...fillOf("7", "0.25"), feeAsset };
    const { fees } = changed(inState("SUBMITTED"), { kind: "fill", fill }).tracked.order;
    expect(Object.entries(fees)).toEqual([[feeAsset, "0.001"]]);
  });

  test("a late fill is booked with an alert, and completes the order or leaves its end", () => {
    const part = changed(inState("CANCELED"), { kind: "fill", fill: fillOf("1", "0.5") });
    expect([part.tracked.order.state, part.tracked.order.filledSize, part.alerts]).toEqual([
      "CANCELED",
      "0.5",
      ["LATE_FILL"],
    ]);
    const rest = changed(part.tracked, { kind: "fill", fill: fillOf("2", "0.5") });
    expect([rest.tracked.order.state, rest.alerts]).toEqual(["FILLED", ["LATE_FILL"]]);
  });

  test("an over-fill is booked and flagged", () => {
    const over = changed(inState("ACCEPTED"), { kind: "fill", fill: fillOf("1", "1.5") });
    expect([over.tracked.order.filledSize, over.alerts]).toEqual(["1.5", ["OVER_FILL"]]);
  });

  test.each<[OrderState, string | null, boolean]>([
    ["REJECTED", null, true],
    ["CANCELED", "ABSENT: the venue knows no such order, and takes it no more.", true],
    ["CANCELED", null, false],
    ["EXPIRED", "LOST_AT_VENUE: the venue had accepted it as 7, and knows it no more.", true],
    ["EXPIRED", null, false],
    ["FILLED", null, false],
  ])(
    "a late acceptance of what ended %s by our own word (%p) raises an alert, and changes nothing: %p",
    (state, stateReason, isTold) => {
      const before = inState(state);
      const late = applyOrderEvent(
        { ...before, order: { ...before.order, stateReason } },
        { kind: "state", to: "ACCEPTED" },
      );
      expect(late).toEqual({ kind: "same", alerts: isTold ? ["LATE_ACCEPTANCE"] : [] });
    },
  );
});

describe("readVenueOrder", () => {
  const venue = (status: VenueOrder["status"], filledSize = "0"): VenueOrder => ({
    clientOrderId: REQUEST.clientOrderId,
    venueOrderId: "5",
    venueSymbol: "SPXUSD",
    status,
    size: "1",
    filledSize,
    atMs: 0,
  });

  test.each([
    ["SUBMITTED", "NEW", "0", "ACCEPTED"],
    ["UNKNOWN", "NEW", "0", "ACCEPTED"],
    ["ACCEPTED", "NEW", "0", "nothing"],
    ["PENDING_CANCEL", "NEW", "0", "nothing"],
    ["FILLED", "NEW", "0", "nothing"],
    ["SUBMITTED", "FILLED", "1", "fills-missing"],
    ["ACCEPTED", "CANCELED", "0.5", "fills-missing"],
    ["ACCEPTED", "CANCELED", "0", "CANCELED"],
    ["UNKNOWN", "EXPIRED", "0", "EXPIRED"],
    ["SUBMITTED", "REJECTED", "0", "REJECTED"],
    ["CANCELED", "CANCELED", "0", "nothing"],
    ["REJECTED", "NEW", "0", "ACCEPTED"],
  ] as const)("%s, told %s with %s filled: %s", (from, status, filled, expected) => {
    const reading = readVenueOrder(inState(from).order, venue(status, filled));
    const got = reading.kind === "event" && reading.event.kind === "state" ? reading.event.to : reading.kind;
    expect<string>(got).toBe(expected);
  });

  test("an order that was filled after someone made it smaller at the venue has ended", () => {
    const half = changed(inState("ACCEPTED"), { kind: "fill", fill: fillOf("1", "0.4") }).tracked;
    expect(readVenueOrder(half.order, { ...venue("FILLED", "0.4"), size: "0.4" })).toEqual({
      kind: "event",
      event: {
        kind: "state",
        to: "EXPIRED",
        venueOrderId: "5",
        reason: "RESIZED: the venue has it at 0.4, and we sent 1.",
      },
    });
    // Of all that we sent the last fills are on their way.
    expect(readVenueOrder(half.order, venue("FILLED", "0.4"))).toEqual({ kind: "nothing" });
  });
});

import { describe, expect, test } from "bun:test";
import { orderRequestOf, sessionOf } from "#shared/domain/domain.fixture.ts";
import type { Order } from "#shared/domain/order.ts";
import { newOrder } from "#shared/orders/new-order.ts";
import { afterExitEvent, concernsExits, type RefusedExit, sayRefused } from "./refused-exit.ts";

const SESSION = sessionOf();

function exit(signalId: string, more: Partial<Order> = {}): Order {
  const order = newOrder(
    orderRequestOf(SESSION, 1, { id: crypto.randomUUID(), signalId, side: "SELL", reduceOnly: true }),
  );
  return { ...order, state: "REJECTED", stateReason: "no", ...more };
}

const refused = (order: Order): RefusedExit => afterExitEvent(null, order, 0) as RefusedExit;

describe("a refused exit", () => {
  test("pauses for 1 s, 2 s, 4 s and so on up to 60 s", () => {
    let known: RefusedExit | null = null;
    const pauses = [];
    for (let time = 0; time < 2_000; time += 1) {
      known = afterExitEvent(known, exit(`s${time}`), 5);
      pauses.push((known?.retryAtMs ?? 0) - 5);
    }
    expect(pauses.slice(0, 8)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    expect(pauses.at(-1)).toBe(60_000);
  });

  test("counts once a decision, whose other orders do not end it either", () => {
    const known = refused(exit("s1"));
    expect(afterExitEvent(known, exit("s1", { stateReason: "other" }), 9)).toBe(known);
    expect(afterExitEvent(known, exit("s1", { state: "FILLED" }), 9)).toBe(known);
  });

  test.each<[string, Partial<Order>, boolean]>([
    ["is accepted", { state: "ACCEPTED" }, true],
    ["is filled in part", { state: "PARTIALLY_FILLED" }, true],
    ["is filled", { state: "FILLED" }, true],
    ["was open and is canceled", { state: "CANCELED", venueOrderId: "1" }, true],
    ["is canceled before it was sent", { state: "CANCELED" }, false],
    ["is on its way", { state: "SUBMITTED" }, false],
    ["expires before it was sent", { state: "EXPIRED" }, false],
    ["is no exit", { state: "FILLED", reduceOnly: false }, false],
  ])("ends where a later order %s: %p", (_what, order, ends) => {
    const known = refused(exit("s1"));
    expect(afterExitEvent(known, exit("s2", order), 9)).toBe(ends ? null : known);
  });

  test("ends where the refused order itself is executed after all", () => {
    const order = exit("s1");
    expect(afterExitEvent(refused(order), { ...order, state: "FILLED" }, 9)).toBeNull();
  });

  test.each<[string, Partial<Order>, boolean]>([
    ["rejected", {}, true],
    ["an entry that is rejected", { reduceOnly: false }, false],
    ["a market order that expires at the venue without a fill", { state: "EXPIRED", venueOrderId: "1" }, true],
    ["one that was filled in part", { state: "EXPIRED", venueOrderId: "1", filledSize: "1" }, false],
    [
      "a limit order that expires",
      { state: "EXPIRED", venueOrderId: "1", style: { type: "LIMIT", price: "1", timeInForce: "IOC" } },
      false,
    ],
    ["denied by ourselves", { state: "DENIED" }, false],
    [
      "lost at the venue",
      { state: "EXPIRED", venueOrderId: "1", stateReason: "LOST_AT_VENUE: it knows it no more." },
      false,
    ],
    ["given up because it never reached the venue", { stateReason: "ABSENT: no attempt reached the venue." }, false],
  ])("is one that is %s: %p", (_what, order, expected) => {
    expect(afterExitEvent(null, exit("s1", order), 0) !== null).toBe(expected);
    expect(concernsExits(exit("s1", order))).toBe(expected);
  });

  test("says the venue's words, or what is known without them", () => {
    expect(sayRefused(refused(exit("s1", { stateReason: "-1013: No." })))).toBe(
      "The venue has refused an exit: -1013: No. It is tried again, with growing pauses.",
    );
    expect(sayRefused(refused(exit("s1", { stateReason: null })))).toContain("the order ended REJECTED.");
  });
});

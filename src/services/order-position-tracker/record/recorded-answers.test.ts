import { describe, expect, test } from "bun:test";
import { pino } from "pino";
import { ExecutionInbox } from "#services/order-position-tracker/account/execution-inbox.ts";
import { createWakeUp } from "#services/order-position-tracker/account/wake-up.ts";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { orderRequestOf, sessionOf } from "#shared/domain/domain.fixture.ts";
import type { Fill, Order } from "#shared/domain/order.ts";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import type { VenueFill, VenueOrder } from "#shared/exchange/exchange.ts";
import { newOrder } from "#shared/orders/new-order.ts";
import { RecordedAnswers } from "./recorded-answers.ts";
import type { ExecutionReport, Recorded } from "./recorder.ts";

const ACCOUNT = "binance-1";
const session = sessionOf({ accountId: ACCOUNT, instrumentIds: ["BTC/USDT.binance"] });

function filledOrder(number: number, more: Partial<Order> = {}): Order {
  const ended = { state: "FILLED", venueOrderId: "77", filledSize: "2", averagePrice: "100", version: 4 } as const;
  return { ...newOrder(orderRequestOf(session, number)), ...ended, ...more };
}

/** A maker's rebate: the fee is below zero. */
const AMOUNTS = { price: "100", size: "2", fee: "-0.02" };

function fillOf({ id, sessionId, accountId, instrumentId }: Order): Fill {
  const ids = { tradeId: "5", orderId: id, sessionId, accountId, instrumentId };
  return { ...ids, ...AMOUNTS, side: "BUY", feeAsset: "USDT", maker: false, atMs: 1_000_000 };
}

function saidOf({ clientOrderId }: Order, more: Partial<VenueOrder> = {}): VenueOrder {
  const ids = { clientOrderId, venueOrderId: "77", venueSymbol: "BTCUSDT" };
  return { ...ids, status: "FILLED", size: "2.000", filledSize: "2.00000000", atMs: 1_000_900, ...more };
}

function saidFillOf({ clientOrderId }: Order, more: Partial<VenueFill> = {}): VenueFill {
  const ids = { tradeId: "5", venueOrderId: "77", clientOrderId, venueSymbol: "BTCUSDT" };
  const amounts = { price: "100.0000", size: "2.000", fee: "-0.0200" };
  return { ...ids, ...amounts, side: "BUY", feeAsset: "USDT", maker: false, atMs: 1_000_900, ...more };
}

function reportOf(order: Order): ExecutionReport {
  const said = { orders: [saidOf(order)], fills: [saidFillOf(order)] };
  return { accountId: ACCOUNT, ...said, unbookable: [], instruments: new Map() };
}

function recordedOf(order: Order, fills: readonly Fill[] = [fillOf(order)]): Recorded {
  const booked = fills.map((fill) => ({ fill, order }));
  return { orders: new Map([[order.id, order]]), fills: booked, incomplete: [], foreign: { orders: [], fills: [] } };
}

async function answered(order: Order, recorded = recordedOf(order)): Promise<RecordedAnswers> {
  const answers = new RecordedAnswers();
  await answers.remember(reportOf(order), async () => ({ recorded }));
  return answers;
}

describe("what the user stream tells of an order that an answer has ended", () => {
  const order = filledOrder(1);

  test.each<[what: string, said: Partial<VenueOrder>]>([
    ["its end", {}],
    ["its acceptance, which came before it", { status: "NEW", filledSize: "0" }],
    ["a part of what was filled", { status: "PARTIALLY_FILLED", filledSize: "1" }],
  ])("was booked with the answer: %s", async (_what, said) => {
    expect((await answered(order)).has(ACCOUNT, { order: saidOf(order, said) })).toBe(true);
  });

  test("was booked with the answer: the execution, stamped with the answer's own time and a rebate", async () => {
    const event = { order: saidOf(order), fill: saidFillOf(order) } as const;
    const answers = await answered(order);
    expect(answers.has(ACCOUNT, event)).toBe(true);
    expect(answers.has("another", event)).toBe(false);
  });

  test.each<[what: string, said: Partial<VenueOrder>]>([
    ["more than was filled", { filledSize: "2.1" }],
    ["a size that is none", { filledSize: "a size" }],
    ["another order of the intent", { venueOrderId: "78" }],
    ["another symbol", { venueSymbol: "ETHUSDT" }],
    ["another order", { clientOrderId: `${session.code}-2` }],
  ])("is news where it is of %s", async (_what, said) => {
    expect((await answered(order)).has(ACCOUNT, { order: saidOf(order, said) })).toBe(false);
  });

  test.each<[what: string, said: Partial<VenueFill>]>([
    ["id", { tradeId: "6" }],
    ["price, as when ids have begun anew", { price: "100.1" }],
    ["price that is none", { price: "a price" }],
    ["size", { size: "1" }],
    ["fee, as a rebate that was not told", { fee: "0.02" }],
    ["asset of its fee", { feeAsset: "BNB" }],
    ["side", { side: "SELL" }],
    ["time", { atMs: 1_010_001 }],
    ["time that is none", { atMs: Number.NaN }],
    ["order", { venueOrderId: "78" }],
  ])("is news where its execution has another %s", async (_what, said) => {
    const event = { order: saidOf(order), fill: saidFillOf(order, said) } as const;
    expect((await answered(order)).has(ACCOUNT, event)).toBe(false);
  });

  test("is news where the answer's transaction booked no execution, as when the stream was first", async () => {
    const event = { order: saidOf(order), fill: saidFillOf(order) } as const;
    expect((await answered(order, recordedOf(order, []))).has(ACCOUNT, event)).toBe(false);
  });

  test.each<[what: string, ended: Partial<Order>]>([
    ["has ended by our own word", { state: "REJECTED" }],
    ["is not of that id at the venue", { venueOrderId: "76" }],
  ])("is news where the order %s", async (_what, ended) => {
    const other = filledOrder(1, ended);
    expect((await answered(other)).has(ACCOUNT, { order: saidOf(other) })).toBe(false);
  });

  test("is news where not all could be booked that the answer told", async () => {
    const recorded = { ...recordedOf(order), incomplete: [saidOf(order)] };
    expect((await answered(order, recorded)).has(ACCOUNT, { order: saidOf(order) })).toBe(false);
  });

  test("is forgotten once a thousand orders have followed", async () => {
    const answers = new RecordedAnswers();
    const orders = Array.from({ length: 1_001 }, (_, index) => filledOrder(index + 1));
    for (const one of orders) await answers.remember(reportOf(one), async () => ({ recorded: recordedOf(one) }));
    const isKnown = (one: Order) => answers.has(ACCOUNT, { order: saidOf(one) });
    expect(orders.map(isKnown).indexOf(true)).toBe(1);
    expect(orders.filter(isKnown)).toHaveLength(1_000);
  });
});

describe("what the user stream tells of an order that an answer has left open", () => {
  const order = filledOrder(1, { state: "ACCEPTED", filledSize: "0", averagePrice: null });
  const accepted = { status: "NEW", filledSize: "0" } as const;
  const wasBooked = async (said: Partial<VenueOrder>) => {
    const answers = new RecordedAnswers();
    const report = { ...reportOf(order), orders: [saidOf(order, accepted)], fills: [] };
    await answers.remember(report, async () => ({ recorded: recordedOf(order, []) }));
    return answers.has(ACCOUNT, { order: saidOf(order, { ...accepted, ...said }) });
  };

  test("was booked with the answer where it is the very word", async () => {
    expect(await wasBooked({ filledSize: "0.000", atMs: 1_000_901 })).toBe(true);
  });

  test.each<[what: string, said: Partial<VenueOrder>]>([
    ["end", { status: "CANCELED" }],
    ["filled size", { status: "NEW", filledSize: "1" }],
    ["time, as when the venue has it again", { atMs: 1_010_901 }],
    ["order of the intent", { venueOrderId: "78" }],
  ])("is news where it is of another %s", async (_what, said) => {
    expect(await wasBooked(said)).toBe(false);
  });
});

describe("what the user stream tells while an answer is being recorded", () => {
  const order = filledOrder(1);
  const event = { order: saidOf(order), fill: saidFillOf(order) } as const;

  test("waits for the end of that, and is known then", async () => {
    const answers = new RecordedAnswers();
    const commit = Promise.withResolvers<{ recorded: Recorded }>();
    const recording = answers.remember(reportOf(order), () => commit.promise);
    expect(answers.has(ACCOUNT, event)).toBe(false);
    const over = answers.underWay(ACCOUNT, event)?.then(() => answers.has(ACCOUNT, event));
    expect(over).toBeDefined();
    for (const { order: said, fill } of [
      { ...event, fill: saidFillOf(order, { tradeId: "6" }) },
      { ...event, order: saidOf(order, { venueOrderId: "78" }) },
      { ...event, order: saidOf(order, { clientOrderId: "another" }) },
    ])
      expect(answers.underWay(ACCOUNT, { order: said, fill })).toBeUndefined();
    commit.resolve({ recorded: recordedOf(order) });
    await recording;
    expect(await over).toBe(true);
    expect(answers.underWay(ACCOUNT, event)).toBeUndefined();
  });

  test("is news where that fails", async () => {
    const answers = new RecordedAnswers();
    const commit = Promise.withResolvers<{ recorded: Recorded }>();
    const recording = answers.remember(reportOf(order), () => commit.promise);
    const over = answers.underWay(ACCOUNT, event)?.then(() => answers.has(ACCOUNT, event));
    commit.reject(new Error("on purpose"));
    expect(await failureOf(recording)).toBe("Error: on purpose");
    expect(await over).toBe(false);
    expect(answers.underWay(ACCOUNT, event)).toBeUndefined();
  });
});

test("what the user stream tells while its answer is being recorded is booked where that fails", async () => {
  const order = filledOrder(1);
  const [recording, stopping] = [Promise.withResolvers<{ recorded: Recorded }>(), new AbortController()];
  const heard: unknown[] = [];
  const booked = Promise.withResolvers<void>();
  const answers = new RecordedAnswers();
  const recorder = {
    prepare: async (_account: string, said: object) => {
      heard.push(said);
      return { unbookable: [] };
    },
    record: async () => recordedOf(order, []),
  };
  const db = {
    transaction: async (body: (tx: unknown) => Promise<void>) => {
      await body({});
      booked.resolve();
    },
  };
  const deps = { db, clock: systemClock, log: pino({ level: "silent" }) };
  const inbox = new ExecutionInbox(
    { deps, recorder, answers } as unknown as TrackerContext,
    { accountId: ACCOUNT, signal: stopping.signal, fence: async () => undefined, onLeftOut: () => undefined },
    createWakeUp(systemClock, stopping.signal),
  );
  const failing = answers.remember(reportOf(order), () => recording.promise).catch((error: Error) => error.message);
  const booking = inbox.book();
  // The other order tells when the inbox has looked at both.
  const other = filledOrder(2, { venueOrderId: "78" });
  const told = { orders: [saidOf(order)], fills: [saidFillOf(order)] };
  inbox.put({ order: saidOf(order), fill: saidFillOf(order) });
  inbox.put({ order: saidOf(other, { venueOrderId: "78" }) });
  await booked.promise;
  expect(heard).toEqual([{ orders: [saidOf(other, { venueOrderId: "78" })], fills: [] }]);
  recording.reject(new Error("The lane is lost."));
  expect(await failing).toBe("The lane is lost.");
  await until(() => heard.length === 2);
  expect(heard[1]).toEqual(told);
  stopping.abort();
  await booking;
});

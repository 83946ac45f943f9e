import { describe, expect, test } from "bun:test";
import { type Desk, useDesks, type World } from "#services/order-position-tracker/tracker.fixture.ts";
import {
  alertsAbout,
  changed,
  fillRows,
  inState,
  LIMIT,
  moneyOf,
  openTasks,
  place,
  requestOf,
  runSession,
  statesOf,
  venueMoney,
} from "#services/order-position-tracker/tracker-rows.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { OrderRequest } from "#shared/domain/order.ts";
import type { Session } from "#shared/domain/session.ts";
import type { AccountEvent, VenueAccount } from "#shared/exchange/exchange.ts";

let world: World;
let desk: Desk;
useDesks(8, (given) => {
  ({ world, desk } = given);
});

/** A venue that fills market orders with the answer, and a user stream that says what the test lets it say. */
class Venue {
  readonly told: AccountEvent[] = [];
  /** Tells the tracker that follows the account. */
  tell: (event: AccountEvent) => void = () => undefined;
  /** Called with the answer on its way. */
  onAnswer: (clientOrderId: string) => Promise<unknown> = () => Promise.resolve();

  readonly account = (account: VenueAccount): VenueAccount =>
    changed(account, {
      place: async (request) => {
        const placed = await account.place(request);
        if (placed.kind !== "accepted" || request.style.type !== "MARKET") return placed;
        await desk.tick("101");
        const { clientOrderId, instrument } = request;
        const { venueOrderId } = placed.order;
        const { fills } = await account.fills({ instrument, venueOrderId, limit: 10 });
        const order = { ...placed.order, status: "FILLED", filledSize: request.size } as const;
        await this.onAnswer(clientOrderId);
        return { kind: "accepted", order, fills: fills.map((fill) => ({ ...fill, clientOrderId })) };
      },
      follow: (follow) => {
        this.tell = follow.onEvent;
        return account.follow({ ...follow, onEvent: (event) => void this.told.push(event) });
      },
    });

  /** What the stream has said of an order: its acceptance and its execution. */
  async of({ clientOrderId }: OrderRequest): Promise<AccountEvent[]> {
    const own = () => this.told.filter(({ order }) => order.clientOrderId === clientOrderId);
    await until(() => own().some(({ fill }) => fill !== undefined));
    return own();
  }
}

async function start(venue: Venue): Promise<Session> {
  await desk.startTracker({ account: venue.account });
  const session = await runSession(world, desk);
  await until(() => desk.proxy.heard >= 2);
  return session;
}

async function fillAtOnce(session: Session, number: number): Promise<OrderRequest> {
  const order = await place(world, desk, requestOf(session, number));
  await inState(world, order, "FILLED");
  await until(async () => (await openTasks(world, order.id)) === 0);
  return order;
}

/** An order that rests, and the stream's word of the execution that it has had since. */
async function restAndFill(venue: Venue, session: Session, number: number) {
  const order = await place(world, desk, requestOf(session, number, { style: LIMIT, size: "1" }));
  await inState(world, order, "ACCEPTED");
  await desk.tick("50");
  return { order, events: await venue.of(order) };
}

/** Holds an order's row while `body` runs: whatever looks at the order waits. */
async function whileLocked({ id }: OrderRequest, body: () => Promise<unknown>): Promise<void> {
  await world.database.db.transaction(async ({ sql }) => {
    await sql`select 1 from order_position_tracker.orders where id = ${id} for update`;
    await body();
  });
}

describe("what the user stream tells of an order that its answer has left open", () => {
  test("touches nothing where it is that answer's word; its execution is booked", async () => {
    const venue = new Venue();
    const session = await start(venue);
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT, size: "1" }));
    await inState(world, order, "ACCEPTED");
    const resting = await restAndFill(venue, session, 2);
    const [accepted, ...rest] = await venue.of(order);
    await whileLocked(order, async () => {
      for (const event of [accepted, ...resting.events]) if (event !== undefined) venue.tell(event);
      await inState(world, resting.order, "FILLED");
    });
    for (const event of rest) venue.tell(event);
    await inState(world, order, "FILLED");
    expect(await statesOf(world, order)).toEqual(["SUBMITTED", "ACCEPTED", "FILLED"]);
  });
});

describe("what the user stream tells of an order that was filled with its answer", () => {
  test("touches nothing", async () => {
    const venue = new Venue();
    const session = await start(venue);
    const order = await fillAtOnce(session, 1);
    const resting = await restAndFill(venue, session, 2);
    const events = await venue.of(order);
    await whileLocked(order, async () => {
      for (const event of [...events, ...resting.events]) venue.tell(event);
      await inState(world, resting.order, "FILLED");
    });
    expect(await fillRows(world, order)).toHaveLength(1);
    expect(await statesOf(world, order)).toEqual(["SUBMITTED", "FILLED"]);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
  });

  test("waits while the answer is being recorded, and keeps nothing else waiting", async () => {
    const venue = new Venue();
    const session = await start(venue);
    const resting = await restAndFill(venue, session, 1);
    const answers = Promise.withResolvers<string>();
    const locked = Promise.withResolvers<void>();
    venue.onAnswer = async (clientOrderId) => {
      answers.resolve(clientOrderId);
      await locked.promise;
    };
    const order = await place(world, desk, requestOf(session, 2));
    await answers.promise;
    const events = await venue.of(order);
    await whileLocked(order, async () => {
      locked.resolve();
      await until(async () => {
        const [waiting] = await world.database.db.sql`
          select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
            and query like '%lock_books%'`;
        return waiting;
      });
      for (const event of [...events, ...resting.events]) venue.tell(event);
      await inState(world, resting.order, "FILLED");
    });
    await inState(world, order, "FILLED");
    expect(await fillRows(world, order)).toHaveLength(1);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
  });

  test("is booked where the worker has lost its lane, so that its answer is not", async () => {
    const venue = new Venue();
    const session = await start(venue);
    venue.onAnswer = () =>
      world.database.db.sql`update queue.lanes set owner = null, lease_until = null, wake_at = null, epoch = epoch + 1
        where lane in (select id from order_position_tracker.orders where is_open)`;
    const order = await place(world, desk, requestOf(session, 1));
    for (const event of await venue.of(order)) venue.tell(event);
    await inState(world, order, "FILLED");
    expect(await fillRows(world, order)).toHaveLength(1);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
  });

  test("and a process that has not sent the order hears as well changes nothing", async () => {
    const venue = new Venue();
    const first = await desk.startTracker({ account: venue.account });
    const session = await runSession(world, desk);
    await until(() => desk.proxy.heard >= 2);
    const order = await fillAtOnce(session, 1);
    const events = await venue.of(order);
    await first.stop();
    await desk.startTracker({ account: venue.account });
    const resting = await restAndFill(venue, session, 2);
    for (const event of [...events, ...resting.events]) venue.tell(event);
    await inState(world, resting.order, "FILLED");
    expect(await fillRows(world, order)).toHaveLength(1);
    expect(await statesOf(world, order)).toEqual(["SUBMITTED", "FILLED"]);
    expect(await moneyOf(world, session)).toEqual(await venueMoney(desk));
    expect(await alertsAbout(world, session.id)).toEqual([]);
  });

  test("halts the account where another execution has the id of the one that was booked", async () => {
    const venue = new Venue();
    const session = await start(venue);
    const order = await fillAtOnce(session, 1);
    for (const event of await venue.of(order)) {
      if (event.fill !== undefined) venue.tell({ ...event, fill: { ...event.fill, price: "102" } });
    }
    await until(async () => (await alertsAbout(world, desk.marketId)).includes("ACCOUNT_IDS_BEGAN_ANEW"));
    expect(await fillRows(world, order)).toHaveLength(1);
  });

  test("faults the session where it is a second order of the intent", async () => {
    const venue = new Venue();
    const session = await start(venue);
    const order = await fillAtOnce(session, 1);
    for (const { order: said } of await venue.of(order))
      venue.tell({ order: { ...said, status: "NEW", filledSize: "0", venueOrderId: "second" } });
    await until(async () => (await alertsAbout(world, session.id)).includes("DOUBLE_EXECUTION"));
  });

  test("is booked where it is a further execution of the order, here with a rebate", async () => {
    const venue = new Venue();
    const session = await start(venue);
    const order = await fillAtOnce(session, 1);
    const event = (await venue.of(order)).find(({ fill }) => fill !== undefined);
    if (event?.fill === undefined) throw new Error("It has no execution.");
    venue.tell(event);
    venue.tell({ ...event, fill: { ...event.fill, tradeId: "900", size: "1", fee: "-0.5", feeAsset: "USD" } });
    await until(async () => (await fillRows(world, order)).length === 2);
    expect((await inState(world, order, "FILLED")).fees).toMatchObject({ USD: "-0.5" });
    const money = await moneyOf(world, session);
    expect(money["USD"]).toEqual(["999697.5", "999697.5"]);
  });
});

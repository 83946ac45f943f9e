import { describe, expect, test } from "bun:test";
import { until } from "#shared/clock/until.fixture.ts";
import { putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import type { Session } from "#shared/domain/session.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { AccountEvent, VenueAccount } from "#shared/exchange/exchange.ts";
import { type Desk, deskSession, tellSession, useDesks, type World } from "./tracker.fixture.ts";
import {
  alertsAbout,
  changed,
  inState,
  LIMIT,
  OFTEN,
  place,
  reportsOf,
  requestOf,
  runSession,
} from "./tracker-rows.fixture.ts";

let world: World;
let desk: Desk;
useDesks(5, (given) => {
  ({ world, desk } = given);
});

/** In the order of their ids, in which sessions are looked at. */
function twoSessions(more: Partial<Session>): [Session, Session] {
  const [one, other] = [deskSession(desk, more), deskSession(desk, more)] as const;
  return one.id < other.id ? [one, other] : [other, one];
}

test("a session whose row cannot be read keeps no other of its partition from being started", async () => {
  const { sql } = world.database.db;
  const good = deskSession(desk, { capital: "1000" });
  const { partition } = good;
  const bad = deskSession(desk, { capital: "1000", partition, name: "" });
  for (const session of [bad, good]) await putSession(sql, session);
  await desk.startTracker();
  await until(async () => (await reportsOf(world, good)).includes("report.reconciled"));
  expect(await reportsOf(world, bad)).toEqual([]);
  const mended: Session = { ...bad, name: "mended", version: 2, partition: desk.bus.partitionOf(bad.id) };
  await tellSession(world, desk, mended);
  await until(async () => (await reportsOf(world, bad)).includes("report.reconciled"));
});

test("a session whose row cannot be read keeps no other of its account from being told what it runs without", async () => {
  const { sql } = world.database.db;
  const account = (given: VenueAccount) =>
    changed(given, { openOrders: () => Promise.reject(new AppError("VENUE_UNAVAILABLE", "outage", "It is away.")) });
  const [first, second] = twoSessions({ state: "RUNNING" });
  for (const session of [first, second]) await putSession(sql, session);
  await sql`update reference.sessions set session = session - 'degraded' where id = ${first.id}`;
  await sql`insert into order_position_tracker.fill_cursors values (${desk.marketId}, ${desk.instrument.id}, null, null, true)`;
  await desk.startTracker({ settings: { ...OFTEN, R3_ORDER_POSITION_TRACKER_DEGRADED_AFTER_MS: "0" }, account });
  await until(async () => (await reportsOf(world, second)).includes("report.degraded"));
});

describe("an instrument whose row cannot be read", () => {
  test("keeps nothing that the user stream tells of another one", async () => {
    const { instrument } = desk;
    const bad = { ...instrument, id: `BAD/USD.${desk.marketId}`, venueSymbol: "BADUSD", priceStep: "a cent" };
    await putInstrument(world.database.db.sql, bad);
    let tell: (event: AccountEvent) => void = () => undefined;
    const account = (given: VenueAccount) =>
      changed(given, {
        follow: (follow) => {
          tell = follow.onEvent;
          return given.follow(follow);
        },
      });
    await desk.startTracker({ account });
    const session = await runSession(world, desk);
    const order = await place(world, desk, requestOf(session, 1));
    const { clientOrderId } = await inState(world, order, "ACCEPTED");
    const resting = await desk.outside.order({ instrument, clientOrderId });
    if (resting === null) throw new Error("The venue has lost the order.");
    tell({
      order: { ...resting, venueSymbol: "BADUSD", clientOrderId: "another", venueOrderId: "bad" },
    });
    await desk.tick("101");
    await inState(world, order, "FILLED");
    await until(async () => (await alertsAbout(world, desk.marketId)).includes("EXECUTION_NOT_BOOKED"));
  });

  test("keeps no alert about what a faulted session holds of another one", async () => {
    const { sql } = world.database.db;
    const bad = { ...desk.instrument, id: `BAD/USD.${desk.marketId}`, venueSymbol: "BADUSD", sizeStep: "a bit" };
    await putInstrument(sql, bad);
    const faulted = { state: "FAULTED", stateReason: "It fell over." } as const;
    const [first, second] = twoSessions(faulted);
    const held = async (session: Session, instrumentId: string) => {
      await putSession(sql, { ...session, instrumentIds: [instrumentId] });
      await sql`insert into order_position_tracker.positions values (${session.id}, ${instrumentId}, ${desk.marketId}, 1, 100, 0, '{}', 1)`;
    };
    await held(first, bad.id);
    await held(second, desk.instrument.id);
    await desk.startTracker({ settings: OFTEN });
    await until(async () => (await alertsAbout(world, second.id)).includes("FAULTED_WITH_POSITION"));
  });

  test("is traded by what was known of it before", async () => {
    await desk.startTracker();
    const session = await runSession(world, desk);
    await world.database.db.sql`
      update reference.instruments set instrument = instrument || '{"priceStep": "a cent"}' where id = ${desk.instrument.id}`;
    await inState(world, await place(world, desk, requestOf(session, 1, { style: LIMIT })), "ACCEPTED");
  });
});

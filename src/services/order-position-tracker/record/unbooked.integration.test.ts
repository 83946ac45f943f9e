import { describe, expect, test } from "bun:test";
import { type Desk, useDesks, type World } from "#services/order-position-tracker/tracker.fixture.ts";
import {
  alertsAbout,
  changed,
  inState,
  LIMIT,
  moneyOf,
  OFTEN,
  place,
  reportedReason,
  reportsOf,
  requestOf,
  runSession,
  venueMoney,
} from "#services/order-position-tracker/tracker-rows.fixture.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { VenueAccount } from "#shared/exchange/exchange.ts";
import { readUnbooked } from "./unbooked-store.ts";

let world: World;
let desk: Desk;
useDesks(10, (given) => {
  ({ world, desk } = given);
});

describe("an execution that the venue lists and that can not be booked", () => {
  /** A connector to a venue whose first trade has a size that no event may have, behind a row of an unknown form. */
  const broken = (account: VenueAccount) =>
    changed(account, {
      fills: async (query) => {
        const page = await account.fills(query);
        const unreadable = [{ tradeId: "900", venueOrderId: null, raw: '{"id":900}', reason: "price: is missing" }];
        return {
          ...page,
          unreadable,
          fills: page.fills.map((one) => (one.tradeId === "1" ? { ...one, size: "0" } : one)),
        };
      },
    });
  const kept = () => readUnbooked(world.database.db, desk.marketId, 10);

  test("is kept as it was told, with an alert; its order ends, and those behind it are booked", async () => {
    await desk.startTracker({ settings: OFTEN, account: broken });
    const session = await runSession(world, desk);
    desk.proxy.cutStream();
    const [first, second] = [requestOf(session, 1), requestOf(session, 2)];
    for (const order of [first, second]) await inState(world, await place(world, desk, order), "ACCEPTED");
    await desk.tick("100");
    await inState(world, second, "FILLED");
    const { stateReason, filledSize } = await inState(world, first, "EXPIRED");
    expect([stateReason, filledSize]).toEqual([
      "EXECUTION_NOT_BOOKED: of the 2 that the venue has executed not all could be booked.",
      "0",
    ]);
    const rows = (await kept()).toSorted((one, other) => one.tradeId.localeCompare(other.tradeId));
    expect(rows.map(({ tradeId, raw, reason }) => [tradeId, raw.slice(0, 10), reason])).toEqual([
      ["1", '{"tradeId"', "size: must be above zero"],
      ["900", '{"id":900}', "price: is missing"],
    ]);
    expect(await alertsAbout(world, desk.marketId)).toEqual(["EXECUTION_NOT_BOOKED"]);
  });

  test("does not leave an order UNKNOWN whose answer was lost", async () => {
    await desk.startTracker({ account: broken });
    const session = await runSession(world, desk);
    await until(() => desk.proxy.heard >= 2);
    desk.proxy.cutStream();
    desk.proxy.next("POST order", "lose-answer");
    desk.proxy.next("GET order", () => desk.tick("101"));
    const order = await place(world, desk, requestOf(session, 1));
    expect((await inState(world, order, "EXPIRED")).stateReason).toStartWith("EXECUTION_NOT_BOOKED: ");
    expect((await kept()).some(({ tradeId }) => tradeId === "1")).toBe(true);
  });
});

describe("an execution that can not be read", () => {
  const listing = (isListed: () => boolean) => (account: VenueAccount) =>
    changed(account, {
      fills: async (query) => {
        const page = await account.fills(query);
        const unreadable = [{ tradeId: "900", venueOrderId: null, raw: '{"id":900}', reason: "price: is missing" }];
        return isListed() ? { ...page, unreadable, rows: page.rows + 1, lastId: "900" } : page;
      },
    });
  const decidedAtMs = () => systemClock.stampMs();
  const sends = () => desk.proxy.passed.filter(({ what }) => what === "POST order").length;

  test("and that was there before an order does not keep it UNKNOWN: it is sent again", async () => {
    await desk.startTracker({ settings: OFTEN, account: listing(() => true) });
    const session = await runSession(world, desk);
    await until(async () => (await readUnbooked(world.database.db, desk.marketId, 10)).length === 1);
    desk.proxy.next("POST order", "lose-request");
    const order = await place(world, desk, requestOf(session, 1, { style: LIMIT, decidedAtMs: decidedAtMs() }));
    expect((await inState(world, order, "ACCEPTED")).attempt).toBe(2);
  });

  test.each([
    ["that the list shows", false],
    ["that other executions have followed", true],
  ])(
    "and that came after an order of unknown fate may be it (one %s): it is not sent again, and its session is faulted",
    async (_what, isPassed) => {
      const kept = async () => (await readUnbooked(world.database.db, desk.marketId, 10)).length > 0;
      let isOver = false;
      await desk.startTracker({ settings: OFTEN, account: listing(() => sends() > 0 && !isOver) });
      const session = await runSession(world, desk);
      desk.proxy.next("POST order", "lose-request");
      const order = await place(world, desk, requestOf(session, 1, { style: LIMIT, decidedAtMs: decidedAtMs() }));
      if (isPassed) {
        await until(kept);
        isOver = true;
      }
      const { stateReason } = await inState(world, order, "REJECTED");
      expect(stateReason).toStartWith(
        "ABSENT: the venue knows no such order, and lists an execution that can not be read",
      );
      expect(await reportedReason(world, session)).toBe(stateReason);
      expect(sends()).toBe(1);
    },
  );

  test("and that is of an order of another session is not waited for", async () => {
    const account = (given: VenueAccount) =>
      changed(given, {
        fills: async (query) => {
          const page = await given.fills(query);
          const unreadable = [{ tradeId: "900", venueOrderId: "1", raw: "{}", reason: "price: is missing" }];
          return sends() > 1 ? { ...page, unreadable, rows: page.rows + 1 } : page;
        },
      });
    await desk.startTracker({ settings: OFTEN, account });
    const session = await runSession(world, desk, { capital: "1000" });
    const others = await runSession(world, desk, { capital: "1000" });
    const other = await place(world, desk, requestOf(others, 1, { style: LIMIT }));
    expect((await inState(world, other, "ACCEPTED")).venueOrderId).toBe("1");
    desk.proxy.next("POST order", "lose-request");
    const order = await place(world, desk, requestOf(session, 2, { style: LIMIT, decidedAtMs: decidedAtMs() }));
    expect((await inState(world, order, "ACCEPTED")).attempt).toBe(2);
  });
});

describe("a session of which an execution could not be booked", () => {
  /** Whatever changes this session's position fails until it is ended. */
  async function breakBooks(sessionId: string): Promise<() => Promise<unknown>> {
    const { sql } = world.database.db;
    await sql.unsafe(`
      create function refuse_position() returns trigger language plpgsql as
        $$ begin raise exception 'this position is refused' using errcode = '22P02'; end $$;
      create trigger refuse_position before insert or update on order_position_tracker.positions
        for each row when (new.session_id = '${sessionId}') execute function refuse_position()`);
    return () => sql.unsafe("drop function refuse_position() cascade");
  }

  test("sends nothing more and is degraded with the reason, while others trade, until it is booked after all", async () => {
    await desk.startTracker({ settings: OFTEN });
    const session = await runSession(world, desk, { capital: "1000" });
    const other = await runSession(world, desk, { capital: "1000" });
    await until(() => desk.proxy.heard >= 2);
    const mend = await breakBooks(session.id);
    const lost = await place(world, desk, requestOf(session, 1));
    await inState(world, lost, "ACCEPTED");
    await desk.tick("101");
    await inState(world, lost, "EXPIRED");
    const [entry, exit] = [requestOf(session, 2), requestOf(session, 3, { side: "SELL", reduceOnly: true })];
    for (const order of [entry, exit]) {
      const { stateReason, attempt } = await inState(world, await place(world, desk, order), "DENIED");
      expect(stateReason).toContain("BOOK_INCOMPLETE: the execution 1 of ");
      expect(attempt).toBe(0);
    }
    await until(async () => (await reportsOf(world, session)).includes("report.degraded"));
    const trades = await place(world, desk, requestOf(other, 1));
    await inState(world, trades, "ACCEPTED");
    await desk.tick("102");
    await inState(world, trades, "FILLED");
    expect(await reportsOf(world, other)).not.toContain("report.degraded");
    await mend();
    await inState(world, lost, "FILLED");
    await until(async () => (await readUnbooked(world.database.db, desk.marketId, 10)).length === 0);
    await inState(world, await place(world, desk, requestOf(session, 4)), "ACCEPTED");
    const { base } = desk.instrument;
    const [mine, theirs] = await Promise.all([session, other].map((one) => moneyOf(world, one)));
    const owned = decimal(mine?.[base]?.[0] ?? "0").plus(theirs?.[base]?.[0] ?? "0");
    expect(plain(owned)).toBe((await venueMoney(desk))[base]?.[0] ?? "");
  });

  test("goes on once a person discards it with a reason", async () => {
    const tracker = await desk.startTracker({ settings: OFTEN });
    const session = await runSession(world, desk);
    await until(() => desk.proxy.heard >= 2);
    const mend = await breakBooks(session.id);
    await inState(world, await place(world, desk, requestOf(session, 1)), "ACCEPTED");
    await desk.tick("101");
    await inState(world, requestOf(session, 1), "EXPIRED");
    const { body } = await tracker.ask(`/unbooked?accountId=${desk.marketId}`);
    expect(body).toMatchObject({ items: [{ sessionId: session.id, tradeId: "1", discardReason: null }] });
    const which = { accountId: desk.marketId, instrumentId: desk.instrument.id, tradeId: "1" };
    expect((await tracker.ask("/unbooked/discard", "POST", { ...which, tradeId: "2", reason: "seen" })).status).toBe(
      404,
    );
    expect((await tracker.ask("/unbooked/discard", "POST", { ...which, reason: "a\0b" })).status).toBe(422);
    expect((await tracker.ask("/unbooked/discard", "POST", { ...which, reason: "seen" })).status).toBe(200);
    await inState(world, await place(world, desk, requestOf(session, 2)), "ACCEPTED");
    await mend();
  });

  test("sends nothing from the frame on that was left out, also while the venue's list cannot be read", async () => {
    let isAway = false;
    const account = (given: VenueAccount) =>
      changed(given, {
        fills: async (query) => {
          if (isAway) throw new AppError("VENUE_UNAVAILABLE", "outage", "The venue is away.");
          return await given.fills(query);
        },
      });
    await desk.startTracker({ settings: OFTEN, account });
    const session = await runSession(world, desk);
    await until(() => desk.proxy.heard >= 2);
    const mend = await breakBooks(session.id);
    const order = await place(world, desk, requestOf(session, 1));
    await inState(world, order, "ACCEPTED");
    isAway = true;
    await desk.tick("101");
    await until(async () => (await readUnbooked(world.database.db, desk.marketId, 10)).length > 0);
    const { stateReason } = await inState(world, await place(world, desk, requestOf(session, 2)), "DENIED");
    expect(stateReason).toContain("BOOK_INCOMPLETE: ");
    await mend();
    isAway = false;
    await inState(world, order, "FILLED");
    expect(await readUnbooked(world.database.db, desk.marketId, 10)).toEqual([]);
  });
});

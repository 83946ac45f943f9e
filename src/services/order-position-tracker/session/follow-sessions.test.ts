import { describe, expect, test } from "bun:test";
import { pino } from "pino";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import type { OwnedUnit } from "#shared/bus/bus.ts";
import { createManualClock } from "#shared/clock/manual.ts";
import { createMemoryDb } from "#shared/db/memory.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import type { Session } from "#shared/domain/session.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { createSessionFollower } from "./follow-sessions.ts";

const NO_BANS = { orderBanUntilMs: () => null };

function unitOf(partition: number) {
  const giving = new AbortController();
  const role = `unit:order-position-tracker:${partition}`;
  const unit: OwnedUnit = {
    group: "order-position-tracker",
    partition,
    role,
    epoch: 1,
    signal: giving.signal,
  };
  return { unit, giveUp: () => giving.abort() };
}

describe("a session follower", () => {
  test("is drained of one partition while the session of another still waits", async () => {
    // A database without SQL: no session can be read, so each one waits for as long as its partition is owned.
    const deps = { db: createMemoryDb(), clock: createManualClock(), log: pino({ level: "silent" }) };
    const follower = createSessionFollower({ deps } as unknown as TrackerContext);
    const one = unitOf(1);
    const other = unitOf(2);
    follower.look({ id: "a", state: "STOPPING" } as Session, one.unit);
    follower.look({ id: "b", state: "STOPPING" } as Session, other.unit);
    const drained: string[] = [];
    const gone = follower.drained(other.unit).then(() => drained.push("b"));
    one.giveUp();
    await follower.drained(one.unit).then(() => drained.push("a"));
    expect(drained).toEqual(["a"]);
    other.giveUp();
    await gone;
    expect(drained).toEqual(["a", "b"]);
  });
});

test("a stop that waits for long is looked at ever more rarely", async () => {
  const session = sessionOf({ state: "STOPPING", stopPolicy: "keep" });
  let looks = 0;
  const deps = {
    exchanges: NO_BANS,
    db: {
      sql: async () => [{ session }],
      transaction: (body: (tx: unknown) => unknown) => Promise.resolve(body({ sql: async () => [] })),
    },
    clock: createManualClock(),
    log: pino({ level: "silent" }),
    leader: { fence: async () => undefined },
    queue: {
      // An order of it is decided and has no row yet.
      async waitingLanes() {
        looks += 1;
        return ["order"];
      },
    },
  };
  const { unit, giveUp } = unitOf(1);
  createSessionFollower({ deps } as unknown as TrackerContext).look(session, unit);
  await deps.clock.advance(1_900);
  expect(looks).toBe(10);
  const before = looks;
  await deps.clock.advance(600_000);
  expect(looks - before).toBeLessThan(180);
  expect(looks - before).toBeGreaterThan(120);
  giveUp();
});

describe("a session that can not be started", () => {
  let failure: unknown;
  let series: object | null = {};
  const session = sessionOf({ state: "STARTING" });

  function begin() {
    const clock = createManualClock();
    const lines: { failures: number }[] = [];
    const reports: unknown[] = [];
    const row = { session };
    const deps = {
      exchanges: NO_BANS,
      db: {
        sql: async () => [row],
        transaction: (body: (tx: unknown) => unknown) => Promise.resolve(body({})),
      },
      clock,
      log: pino({ level: "warn" }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
      leader: { fence: async () => undefined },
      bus: { publish: (_tx: unknown, events: { data: unknown }[]) => reports.push(...events.map(({ data }) => data)) },
      clients: { marketData: { series: async () => series, ensureSeries: () => Promise.reject(failure) } },
    };
    const follower = createSessionFollower({ deps } as unknown as TrackerContext);
    const { unit, giveUp } = unitOf(1);
    follower.look(session, unit);
    return { clock, lines, reports, row, follower, unit, giveUp };
  }

  test("is tried and logged with pauses that grow, and says once why it waits", async () => {
    failure = new AppError("VENUE_REFUSED", "permanent", "The venue has no such bars.");
    const { clock, lines, reports, giveUp } = begin();
    await clock.advance(60_000);
    expect(lines.map(({ failures }) => failures)).toEqual([1, 2, 4, 8, 16]);
    const report = { sessionId: session.id, run: 1, until: "reconciled" };
    expect(reports).toEqual([{ ...report, atMs: 0, reason: "The venue has no such bars." }]);
    failure = new TypeError("x is not a function");
    await clock.advance(5_000);
    expect(reports.slice(1)).toMatchObject([{ ...report, reason: "Something went wrong here; the log says what." }]);
    giveUp();
  });

  test("leaves it to strategy-executor to begin its series, without a word", async () => {
    failure = new AppError("VENUE_REFUSED", "permanent", "The venue has no such bars.");
    series = null;
    const { clock, lines, reports, giveUp } = begin();
    await clock.advance(10_000);
    expect([lines, reports]).toEqual([[], []]);
    series = {};
    await clock.advance(1_000);
    expect(reports).toHaveLength(1);
    giveUp();
  });

  test("does not wait for its pause to be stopped, and its own report is no reason to try", async () => {
    failure = new AppError("VENUE_UNAVAILABLE", "transient", "The venue is away.");
    const { clock, lines, row, follower, unit } = begin();
    await clock.advance(10_000);
    const before = lines.length;
    follower.look({ ...session, version: 2, stateReason: "The venue is away." }, unit);
    await clock.advance(0);
    expect(lines.length).toBe(before);
    row.session = { ...session, state: "STOPPED" };
    follower.look({ ...session, state: "STOPPING" }, unit);
    await follower.drained(unit);
    expect(clock.sleeping).toBe(0);
  });
});

test("a stop that waits for the end of a ban says so, once", async () => {
  const session = sessionOf({ state: "STOPPING", stopPolicy: "flatten" });
  const reports: { until: string; reason: string }[] = [];
  const deps = {
    exchanges: { orderBanUntilMs: () => 60_000 },
    db: {
      sql: async (text: readonly string[]) => (text.join("").includes("reference.sessions") ? [{ session }] : []),
      transaction: (body: (tx: unknown) => unknown) => Promise.resolve(body({ sql: async () => [] })),
    },
    clock: createManualClock(),
    log: pino({ level: "silent" }),
    leader: { fence: async () => undefined },
    bus: {
      publish: (_tx: unknown, events: { data: { until: string; reason: string } }[]) =>
        void reports.push(...events.map(({ data }) => data)),
    },
    queue: { waitingLanes: async () => ["order"] },
  };
  const { unit, giveUp } = unitOf(1);
  createSessionFollower({ deps } as unknown as TrackerContext).look(session, unit);
  await deps.clock.advance(1_900);
  expect(reports.map(({ until }) => until)).toEqual(["stopped"]);
  expect(reports[0]?.reason).toStartWith(
    "The venue takes nothing from here until 1970-01-01T00:01:00.000Z: the position is closed after it.",
  );
  giveUp();
});

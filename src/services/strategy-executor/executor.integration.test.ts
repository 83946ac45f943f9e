import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { z } from "zod";
import { until } from "#shared/clock/until.fixture.ts";
import { putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { DECIDE_SIGNAL } from "#shared/messages/tasks.ts";
import { defineStrategy } from "#shared/strategy/strategy.ts";
import {
  candleOf,
  type Replica,
  ROLE,
  runRow,
  sessionChanged,
  shardSession,
  signalsOf,
  startReplica,
  untilCandle,
  type World,
  worldOf,
} from "./executor.fixture.ts";

/** Remembers the number of each bar it saw; a volume of 2 wants long, of 3 flat, of 4 throws. */
const scripted = defineStrategy({
  name: "scripted",
  version: "1",
  description: "for tests",
  params: z.strictObject({ warmup: z.number().default(0) }),
  warmupBars: ({ warmup }) => warmup,
  forming: false,
  create() {
    let seen: number[] = [];
    return {
      onBar(bar, context) {
        if (bar.volume === 4) throw new Error("on purpose");
        seen.push(bar.n);
        if (bar.volume === 2) context.wantLong();
        if (bar.volume === 3) context.wantFlat();
      },
      snapshot: () => seen,
      restore(snapshot) {
        seen = [...(snapshot as number[])];
      },
    };
  },
});

const LONG = { volume: "2" };
let database: TestDatabase;
let world: World;
let replicas: Replica[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  await putInstrument(database.db.sql, spx);
});
afterAll(async () => database.drop());
beforeEach(() => {
  const tick = { ...scripted, name: "tick", forming: true };
  world = worldOf(database, [scripted, tick]);
});
afterEach(async () => {
  for (const replica of replicas) await replica.kill();
  replicas = [];
  await database.db.sql`truncate strategy_executor.runs, reference.sessions, queue.tasks, queue.lanes`;
});

async function start(): Promise<Replica> {
  const replica = await startReplica(world);
  replicas.push(replica);
  return replica;
}

async function running(more: Parameters<typeof shardSession>[0] = {}) {
  const session = shardSession(more);
  await putSession(world.database.db.sql, session);
  const replica = await start();
  await until(async () => (await runRow(world, session.id))?.phase === "READY");
  return { session, replica };
}

const tasks = () => database.db.sql`select payload from queue.tasks where type = ${DECIDE_SIGNAL.type}`;
const reports = (type: string) => world.published.filter((event) => event.type === type).map(({ data }) => data);

describe("a session whose run could not begin", () => {
  test("holds no other one of its shard back, and begins once its event is handled, whatever came after it", async () => {
    const starting = shardSession({ state: "STARTING" });
    const stopping = { ...starting, state: "STOPPING" as const, version: 2 };
    world.held = new Set([starting.id]);
    await putSession(database.db.sql, stopping);
    const { session, replica } = await running();
    replica.show(candleOf(1, "100"));
    await untilCandle(world, session.id, 1);
    expect(await runRow(world, starting.id)).toBeNull();
    await replica.deliver([sessionChanged(starting)]);
    await until(async () => (await runRow(world, starting.id))?.phase === "READY");
  });
});

describe("warm-up", () => {
  test("shows the wanted history, sets the cursor to the head and reports it, once", async () => {
    world.candles = Array.from({ length: 10 }, (_, index) => candleOf(index + 1, "100", LONG));
    const session = shardSession({ state: "STARTING", params: { warmup: 4 } });
    await putSession(world.database.db.sql, session);
    const replica = await start();
    await replica.deliver([sessionChanged(session)]);
    await until(async () => reports("report.warm").length > 0);
    expect(reports("report.warm")).toEqual([expect.objectContaining({ sessionId: session.id, run: 1, candleN: 10 })]);
    expect(await runRow(world, session.id)).toMatchObject({
      phase: "READY",
      candle_n: 10,
      candle_close_at_ms: 600_000,
    });
    expect((await runRow(world, session.id))?.runtime.strategy).toEqual([7, 8, 9, 10]);
    expect(signalsOf(world, session.id)).toEqual([]);
  });

  test("waits for market-data when it is away", async () => {
    world.failures = 3;
    const { session } = await running({ state: "STARTING" });
    expect(reports("report.warm").length).toBe(1);
    expect(reports("report.waiting")).toEqual([
      { sessionId: session.id, run: 1, atMs: expect.any(Number), until: "warm", reason: "It is away." },
    ]);
  });

  test("of the next run begins anew; the number of signals goes on", async () => {
    const { session, replica } = await running();
    replica.show(candleOf(1, "100", LONG));
    await untilCandle(world, session.id, 1);
    world.candles = [candleOf(1, "100"), candleOf(2, "100")];
    for (const [version, state] of [
      [2, "STOPPED"],
      [3, "STARTING"],
    ] as const) {
      const next = { ...session, state, version, run: state === "STARTING" ? 2 : 1 };
      await putSession(world.database.db.sql, next);
      await replica.deliver([sessionChanged(next)]);
    }
    await until(async () => reports("report.warm").length === 2);
    expect(await runRow(world, session.id)).toMatchObject({ run: 2, phase: "READY", candle_n: 2 });
    const [first] = signalsOf(world, session.id);
    const denied = { signalId: first?.id, sessionId: session.id, code: "SIGNAL_STALE_RUN", reason: "old" };
    await replica.deliver([{ topic: "signals", type: "signal.denied", key: session.id, data: denied }]);
    const resumed = { ...session, version: 4, run: 2 };
    await putSession(world.database.db.sql, resumed);
    await replica.deliver([sessionChanged(resumed)]);
    replica.show(candleOf(3, "100", LONG));
    await until(async () => signalsOf(world, session.id).length === 2);
    expect(signalsOf(world, session.id).map(({ run, number }) => [run, number])).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });
});

describe("closed candles", () => {
  test("reach the strategy once and in order, whatever the tail brings", async () => {
    const { session, replica } = await running();
    world.candles = Array.from({ length: 40 }, (_, index) => candleOf(index + 1, "100"));
    const order = [1, 1, 3, 2, 2, 5, 9, 8, 4, 30, 12, 30, 40, 39, 40];
    for (const n of order) {
      replica.show(candleOf(n, "100"));
      await Promise.resolve();
    }
    await untilCandle(world, session.id, 40);
    const seen = (await runRow(world, session.id))?.runtime.strategy;
    expect(seen).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  });

  test("are not worked again after a commit whose answer was lost", async () => {
    const { session, replica } = await running();
    await database.db.sql`
      update strategy_executor.runs set candle_n = 1, runtime = ${database.db.sql.json({ wish: null, random: [1, 2, 3, 4], strategy: [1] })}
      where session_id = ${session.id}`;
    replica.show(candleOf(1, "100", LONG));
    replica.show(candleOf(2, "100"));
    await untilCandle(world, session.id, 2);
    expect((await runRow(world, session.id))?.runtime.strategy).toEqual([1, 2]);
    expect(signalsOf(world, session.id)).toEqual([]);
  });

  test("that were missed while no one led are read from market-data", async () => {
    const { session, replica } = await running();
    await replica.kill();
    replicas = [];
    world.candles = [candleOf(1, "100"), candleOf(2, "100", LONG)];
    await start();
    await untilCandle(world, session.id, 2);
    expect(signalsOf(world, session.id).map(({ candleN }) => candleN)).toEqual([2]);
  });

  test("of another instrument or time frame are not for this session", async () => {
    const { session, replica } = await running();
    replica.show(
      candleOf(1, "5", { timeFrame: "1d", ...LONG }),
      candleOf(1, "5", { instrumentId: "X/Y.paper", ...LONG }),
    );
    replica.show(candleOf(1, "100"));
    await untilCandle(world, session.id, 1);
    expect(signalsOf(world, session.id)).toEqual([]);
  });
});

describe("a signal", () => {
  test("comes with cursor, snapshot and risk task in one commit", async () => {
    const { session, replica } = await running({
      riskPolicy: { ...shardSession().riskPolicy, signalValidityMs: 90_000 },
    });
    let open = 0;
    world.failpoint = ({ bar, sessionId }) => {
      expect([bar, sessionId]).toEqual([1, session.id]);
      open += 1;
      // The first two transactions end here, with everything written and nothing committed.
      if (open <= 2) throw new Error("died");
    };
    replica.show(candleOf(1, "101.5", LONG));
    await untilCandle(world, session.id, 1);
    expect(open).toBe(3);
    const [signal, ...more] = signalsOf(world, session.id);
    expect(more).toEqual([]);
    expect(signal).toMatchObject({
      run: 1,
      number: 1,
      candleN: 1,
      marks: { "SPX/USD.paper": "101.5" },
      marketAtMs: 60_000,
      validUntilMs: 150_000,
      receivedAtMs: 5,
      intent: { kind: "enter", side: "BUY", style: { type: "MARKET" } },
    });
    expect((await tasks()).map(({ payload }) => payload)).toEqual([{ signal }]);
    expect(await runRow(world, session.id)).toMatchObject({ signals: 1, pending_signal: signal?.id });
  });

  test("is made by the next leader when this one dies in its transaction, with the same id", async () => {
    const { session, replica } = await running();
    let tries = 0;
    world.failpoint = () => {
      tries += 1;
      throw new Error("died");
    };
    replica.show(candleOf(1, "100", LONG));
    await until(() => tries > 1);
    await replica.kill();
    replicas = [];
    expect((await runRow(world, session.id))?.candle_n).toBe(0);
    expect([signalsOf(world, session.id).length, (await tasks()).length]).toEqual([0, 0]);
    world.failpoint = () => undefined;
    world.candles = [candleOf(1, "100", LONG)];
    await start();
    await untilCandle(world, session.id, 1);
    expect(signalsOf(world, session.id).length).toBe(1);
  });

  test("is not made by a leader whose epoch is over", async () => {
    const { session, replica } = await running();
    await database.db.sql`update leadership.epochs set epoch = epoch + 1 where role = ${ROLE}`;
    replica.show(candleOf(1, "100", LONG));
    // Nothing can be awaited that must not happen: the next leader's own work shows that the old one wrote nothing.
    await replica.kill();
    replicas = [];
    expect((await runRow(world, session.id))?.candle_n).toBe(0);
    world.candles = [candleOf(1, "100", LONG)];
    await start();
    await untilCandle(world, session.id, 1);
    expect((await tasks()).length).toBe(1);
  });

  test("does not come while one is undecided; after a denial the wish is tried again", async () => {
    const { session, replica } = await running();
    replica.show(candleOf(1, "100", LONG), candleOf(2, "100", LONG));
    await untilCandle(world, session.id, 2);
    const [signal] = signalsOf(world, session.id);
    expect(signalsOf(world, session.id).length).toBe(1);
    const denied = { signalId: signal?.id, sessionId: session.id, code: "NO_POSITION", reason: "" };
    await replica.deliver([{ topic: "signals", type: "signal.denied", key: session.id, data: denied }]);
    replica.show(candleOf(3, "100"));
    await untilCandle(world, session.id, 3);
    expect(signalsOf(world, session.id).map(({ number, candleN }) => [number, candleN])).toEqual([
      [1, 1],
      [2, 3],
    ]);
  });

  test("of a forming candle commits nothing else; forming candles without one commit nothing", async () => {
    const { session, replica } = await running({ strategy: "tick" });
    replica.show(candleOf(1, "100", { closed: false }));
    replica.show(candleOf(1, "101", { closed: false, tradedAtMs: 59_000, ...LONG }));
    await until(async () => signalsOf(world, session.id).length === 1);
    expect(signalsOf(world, session.id)[0]).toMatchObject({
      marketAtMs: 59_000,
      candleN: 1,
      marks: { "SPX/USD.paper": "101" },
    });
    expect(await runRow(world, session.id)).toMatchObject({ candle_n: 0, candle_close_at_ms: null, signals: 1 });
    replica.show(candleOf(1, "102"));
    await untilCandle(world, session.id, 1);
  });
});

describe("a session's state", () => {
  test.each([
    ["PAUSED", 0],
    ["STOPPING", 0],
    ["STARTING", 0],
    ["RUNNING", 1],
  ] as const)("%s: the strategy sees the candle, entries made: %p", async (state, signals) => {
    const { session, replica } = await running({ state });
    replica.show(candleOf(1, "100", LONG));
    await untilCandle(world, session.id, 1);
    expect(signalsOf(world, session.id).length).toBe(signals);
  });

  test("is read in the transaction: after the commit of a pause no entry is made, though no event has come", async () => {
    const { session, replica } = await running();
    await putSession(world.database.db.sql, { ...session, state: "PAUSED", version: 2 });
    replica.show(candleOf(1, "100", LONG));
    await untilCandle(world, session.id, 1);
    expect([signalsOf(world, session.id).length, (await tasks()).length]).toEqual([0, 0]);
    const resumed = { ...session, version: 3 };
    await putSession(world.database.db.sql, resumed);
    await replica.deliver([sessionChanged(resumed)]);
    replica.show(candleOf(2, "100"));
    await untilCandle(world, session.id, 2);
    expect(signalsOf(world, session.id).length).toBe(1);
  });

  test("DELETED: its run is forgotten", async () => {
    const { session, replica } = await running();
    await replica.deliver([sessionChanged({ ...session, state: "DELETED", version: 2 })]);
    expect(await runRow(world, session.id)).toBeNull();
  });
});

describe("a strategy that fails", () => {
  test("because it throws faults its session, and its session alone", async () => {
    const other = shardSession({ timeFrame: "1h" });
    await putSession(world.database.db.sql, other);
    const { session, replica } = await running();
    await until(async () => (await runRow(world, other.id))?.phase === "READY");
    replica.show(candleOf(1, "100", { volume: "4" }));
    await until(async () => reports("report.faulted").length > 0);
    expect(reports("report.faulted")).toEqual([expect.objectContaining({ sessionId: session.id, run: 1 })]);
    expect(await runRow(world, session.id)).toMatchObject({ phase: "FAULTED", candle_n: 0 });
    expect((await runRow(world, session.id))?.fault).toMatch(/failed at candle 1 \(close \S+Z\): on purpose/);
    replica.show(candleOf(1, "100", { timeFrame: "1h" }), candleOf(1, "100"));
    await untilCandle(world, other.id, 1);
    expect((await runRow(world, session.id))?.candle_n).toBe(0);
  });

  test.each([
    [{ strategy: "gone" }, /no strategy "gone"/],
    [{ strategyVersion: "0" }, /version 0, but here is 1/],
    [{ params: { warmup: "x" } }, /could not begin/],
  ])("%p: faulted at its start", async (more, reason) => {
    const session = shardSession(more);
    await putSession(world.database.db.sql, session);
    await start();
    await until(async () => reports("report.faulted").length > 0);
    expect((await runRow(world, session.id))?.fault).toMatch(reason);
  });
  test("is not tried again when its faulted session is stopped", async () => {
    let lookups = 0;
    const counted = Object.defineProperty({ ...scripted }, "name", {
      get: () => {
        lookups += 1;
        return "scripted";
      },
    });
    world.strategies = [counted];
    const session = shardSession({ strategy: "gone" });
    await putSession(world.database.db.sql, session);
    const replica = await start();
    await until(() => reports("report.faulted").length > 0);
    const stopping = { ...session, state: "STOPPING", version: 2 } as const;
    await putSession(world.database.db.sql, stopping);
    lookups = 0;
    await replica.deliver([sessionChanged(stopping)]);
    // What it began with the event is over once the replica has ended.
    await replica.kill();
    replicas = [];
    expect(lookups).toBe(0);
    expect(reports("report.faulted")).toHaveLength(1);
  });
});

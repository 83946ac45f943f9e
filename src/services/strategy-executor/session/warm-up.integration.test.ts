import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { z } from "zod";
import {
  candleOf,
  type Replica,
  runRow,
  sessionChanged,
  shardSession,
  startReplica,
  type World,
  worldOf,
} from "#services/strategy-executor/executor.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { defineStrategy } from "#shared/strategy/strategy.ts";

/** Remembers the number of each bar it saw. */
const scripted = defineStrategy({
  name: "scripted",
  version: "1",
  description: "for tests",
  params: z.strictObject({ warmup: z.number() }),
  warmupBars: ({ warmup }) => warmup,
  forming: false,
  create() {
    const seen: number[] = [];
    return {
      onBar: ({ n }) => void seen.push(n),
      snapshot: () => seen,
      restore: (snapshot) => void seen.push(...(snapshot as number[])),
    };
  },
});

let database: TestDatabase;
let world: World;
let replicas: Replica[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  await putInstrument(database.db.sql, spx);
});
afterAll(async () => database.drop());
beforeEach(() => {
  world = worldOf(database, [scripted]);
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

const warm = () => world.published.filter(({ type }) => type === "report.warm");

test("a warm-up reads the candles that were added before the first one", async () => {
  world.candles = [-3, -2, -1, 0, 1, 2].map((n) => ({ ...candleOf(n + 4, "10"), n }));
  const session = shardSession({ state: "STARTING", params: { warmup: 5 } });
  await putSession(database.db.sql, session);
  const replica = await start();
  await replica.deliver([sessionChanged(session)]);
  await until(async () => (await runRow(world, session.id))?.phase === "READY");
  expect(await runRow(world, session.id)).toMatchObject({ candle_n: 2, runtime: { strategy: [-2, -1, 0, 1, 2] } });
});

test("a warm-up that market-data refuses faults its session and says why", async () => {
  const refused = "The service market-data refused: The series is kept from trades.";
  world.refusal = new AppError("CONFLICT", "permanent", refused);
  const session = shardSession({ state: "STARTING", params: { warmup: 2_000 } });
  await putSession(database.db.sql, session);
  const replica = await start();
  await replica.deliver([sessionChanged(session)]);
  await until(async () => (await runRow(world, session.id))?.phase === "FAULTED");
  expect((await runRow(world, session.id))?.fault).toBe(`The strategy warms up with 2000 bars. ${refused}`);
  expect(world.published.map(({ type }) => type)).toEqual(["report.faulted"]);
});

describe("a warm-up of several pages", () => {
  test("that is cut short commits nothing; the next leader begins anew", async () => {
    world.candles = Array.from({ length: 600 }, (_, index) => candleOf(index + 1, "100"));
    const session = shardSession({ state: "STARTING", params: { warmup: 600 } });
    await putSession(database.db.sql, session);
    const replica = await startReplica(world);
    let dead: Promise<void> | undefined;
    world.asked = () => {
      dead ??= replica.kill();
    };
    await replica.deliver([sessionChanged(session)]);
    await until(() => dead !== undefined);
    await dead;
    expect(warm()).toEqual([]);
    expect(await runRow(world, session.id)).toMatchObject({ phase: "WARMING", candle_n: 0 });
    await start();
    await until(() => warm().length > 0);
    expect((await runRow(world, session.id))?.runtime.strategy).toHaveLength(600);
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import type { AnyElysia } from "elysia";
import {
  candleOf,
  type Replica,
  runRow,
  shardSession,
  startReplica,
  untilCandle,
  type World,
  worldOf,
} from "#services/strategy-executor/executor.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { putInstrument, putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import type { StrategyHost } from "#shared/strategy-threads/strategy-host.ts";
import {
  bodyOf,
  type StrategyFolder,
  strategyFolder,
  threadHostOf,
} from "#shared/strategy-threads/thread-host.fixture.ts";

const SESSIONS = 100;
/** The candle at which the bad strategy is bad. */
const BAD = 5;
const LAST = 12;

let database: TestDatabase;
let folder: StrategyFolder;
let host: StrategyHost;
let world: World;
let replica: Replica;

beforeAll(async () => {
  database = await createTestDatabase();
  await putInstrument(database.db.sql, spx);
});
afterAll(async () => database.drop());
beforeEach(async () => {
  folder = await strategyFolder();
  const counts =
    "let seen: number[] = []; return { onBar(bar: { n: number }) { seen.push(bar.n); }, snapshot: () => seen, restore(saved: unknown) { seen = [...(saved as number[])]; } };";
  await folder.write("counts", `(() => { ${counts} })()`);
  await folder.write("loops", bodyOf(`if (bar.n === ${BAD}) for (;;);`));
  await folder.write("late", bodyOf(`if (bar.n === ${BAD}) void Promise.reject(new Error("too late"));`));
  await folder.write("speaks", bodyOf('throw new Error(`bad \\ud800 \\0 ${"x".repeat(3e6)}`)'));
  host = threadHostOf([folder.path], { threads: 2 });
  world = { ...worldOf(database, []), host };
});
afterEach(async () => {
  await replica.kill();
  await host.close();
  await folder.remove();
  await database.db.sql`truncate strategy_executor.runs, reference.sessions, queue.tasks, queue.lanes`;
});

/** Starts sessions of a good strategy and one of a bad one; all are warmed up. */
async function startSessions(bad: string, good: number) {
  const goods = Array.from({ length: good }, () => shardSession({ strategy: "counts", params: {} }));
  const badOne = shardSession({ strategy: bad, params: {} });
  for (const session of [...goods, badOne]) await putSession(database.db.sql, session);
  replica = await startReplica(world);
  await until(async () => (await phases()).every((phase) => phase === "READY"));
  return { goods, badOne };
}

const phases = async () => (await database.db.sql`select phase from strategy_executor.runs`).map(({ phase }) => phase);
const faults = () => world.published.filter(({ type }) => type === "report.faulted").map(({ data }) => data);

test(`an endless loop faults its session of ${SESSIONS + 1}; the others lose and double no bar`, async () => {
  const { goods, badOne } = await startSessions("loops", SESSIONS);
  for (let n = 1; n <= LAST; n += 1) {
    world.candles.push(candleOf(n, "100"));
    const showing = Promise.all(goods.map(({ id }) => untilCandle(world, id, n)));
    replica.show(candleOf(n, "100"));
    if (n !== BAD) {
      await showing;
      continue;
    }
    await until(() => faults().length > 0);
    await showing;
  }
  for (const { id } of goods) {
    const expected = Array.from({ length: LAST }, (_, index) => index + 1);
    expect((await runRow(world, id))?.runtime.strategy).toEqual(expected);
  }
  const close = new Date(candleOf(BAD, "100").closeAtMs).toISOString();
  const reason = `The strategy did not come back from candle ${BAD} (close ${close}) within its budget of 300 ms; its thread was ended.`;
  expect(faults()).toEqual([expect.objectContaining({ sessionId: badOne.id, reason })]);
  expect((await runRow(world, badOne.id))?.candle_n).toBe(BAD - 1);
}, 60_000);

test("an error whose text no row takes faults its session all the same, and is kept in part", async () => {
  const { badOne } = await startSessions("speaks", 0);
  world.candles.push(candleOf(1, "100"));
  replica.show(candleOf(1, "100"));
  await until(() => faults().length === 1);
  const [{ reason }] = faults() as [{ reason: string }];
  expect(reason).toMatch(/^The strategy failed at candle 1 \(close \S+Z\): bad \ufffd {2}xxx/);
  expect(reason.length).toBeLessThanOrEqual(2_000);
  expect(await runRow(world, badOne.id)).toMatchObject({ phase: "FAULTED", fault: reason });
});

test("a session that faulted is not started again by the next process, and faults once", async () => {
  const { goods, badOne } = await startSessions("late", 1);
  for (let n = 1; n <= BAD; n += 1) {
    world.candles.push(candleOf(n, "100"));
    replica.show(candleOf(n, "100"));
    await untilCandle(world, goods[0]?.id ?? "", n);
  }
  await until(() => faults().length === 1);
  await replica.kill();
  replica = await startReplica(world);
  world.candles.push(candleOf(BAD + 1, "100"));
  replica.show(candleOf(BAD + 1, "100"));
  await untilCandle(world, goods[0]?.id ?? "", BAD + 1);
  expect(await runRow(world, badOne.id)).toMatchObject({ phase: "FAULTED", candle_n: BAD - 1 });
  expect(faults()).toHaveLength(1);
});

test("a session that runs keeps its version of a strategy that has changed, and says that there is a newer one", async () => {
  await host.close();
  host = threadHostOf([folder.path], { reload: true });
  world.host = host;
  const { goods } = await startSessions("loops", 1);
  const [{ id } = expect.unreachable()] = goods;
  const shown = async () => {
    const request = new Request("http://localhost/api/strategy-executor/shards");
    const answer = await (replica.service.routes as AnyElysia).handle(request);
    const { items } = (await answer.json()) as { items: { sessions: { sessionId: string }[] }[] };
    return items.flatMap(({ sessions }) => sessions).find(({ sessionId }) => sessionId === id);
  };
  expect(await shown()).toMatchObject({ strategyVersion: "1", newerVersion: null });
  await folder.write("counts", bodyOf("", '"new"'), { version: "2" });
  await until(() => host.find("counts")?.version === "2");
  expect(await shown()).toMatchObject({ strategyVersion: "1", newerVersion: "2" });
  world.candles.push(candleOf(1, "100"));
  replica.show(candleOf(1, "100"));
  await untilCandle(world, id, 1);
  expect((await runRow(world, id))?.runtime.strategy).toEqual([1]);
});

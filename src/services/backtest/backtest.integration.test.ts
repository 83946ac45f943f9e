import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AnyElysia } from "elysia";
import { pino } from "pino";
import { z } from "zod";
import { equityPoints, orderToJson } from "#shared/backtest/result.ts";
import { runBacktest } from "#shared/backtest/run.ts";
import { tradesOf, tradeToJson } from "#shared/backtest/trades.ts";
import { columnsOf } from "#shared/candles/columns.fixture.ts";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import { spx } from "#shared/matching/spx.fixture.ts";
import { RUN_BACKTEST } from "#shared/messages/tasks.ts";
import { createMemoryWakeups } from "#shared/queue/memory.ts";
import type { TaskQueue } from "#shared/queue/queue.ts";
import { createTaskQueue } from "#shared/queue/task-queue.ts";
import type { Deps, Service } from "#shared/service/service.ts";
import type { StrategyHost } from "#shared/strategy-threads/strategy-host.ts";
import {
  bodyOf,
  type StrategyFolder,
  strategyFolder,
  threadHostOf,
} from "#shared/strategy-threads/thread-host.fixture.ts";
import { smaCross } from "#strategies/sma-cross.ts";
import { runSchema, tradeSchema } from "./contract.ts";
import { type History, LONG, readHistory } from "./history.fixture.ts";
import { backtest } from "./index.ts";

const WANTED = {
  strategy: "sma-cross",
  params: { fast: 10, slow: 30 },
  instrumentId: spx.id,
  timeFrame: "1d",
  capital: "10000",
  riskPolicy: { sizing: { method: "percent-of-equity", percent: "95" } },
};

let database: TestDatabase;
let candles: Candle[] = [];
let queue: TaskQueue;
let service: Service | undefined;
/** Starts the service anew with these settings. */
let serve: (settings?: Record<string, string>) => Promise<void>;
let strategies: StrategyHost;
let folder: StrategyFolder;
/** By how much the service's clock was moved. */
let aheadMs = 0;
let history: History;

beforeAll(async () => {
  history = await readHistory();
  ({ candles } = history);
  database = await createTestDatabase();
  folder = await strategyFolder();
  const spin = "let spun = 1; for (let i = 0; i < 2e7; i += 1) spun = (spun * 31 + i) | 0; kept[0] = spun;";
  await folder.write("stuck", bodyOf("if (bar.n === 1_005) for (;;);"));
  await folder.write("late", bodyOf('if (bar.n === 1_010) void Promise.reject(new Error("too late"));'));
  await folder.write("wrong", bodyOf("", "Number.NaN"));
  await folder.write("slow", bodyOf(spin, "kept"), { before: "const kept = [0];" });
  await folder.write("speaks", bodyOf('throw new Error(`bad \\ud800 \\0 ${"x".repeat(3e6)}`)'));
  await folder.write("unsaved", bodyOf("", "(() => { for (;;); })()"));
  await folder.write("gathers", bodyOf("all.push(new Array(2e5).fill(1.5))"), {
    before: "const all: number[][] = [];",
  });
  const log = pino({ level: "silent" });
  queue = createTaskQueue({
    db: database.db,
    wakeups: createMemoryWakeups(),
    clock: systemClock,
    log,
    leaseMs: 600,
    sweepMs: 100,
  });
  strategies = threadHostOf(["strategies", folder.path], { limits: { slowMs: 3_000, memoryBytes: 1e8 } });
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
  const given = { db: database.db, queue, clients: { marketData: history.marketData }, strategies, clock, log };
  // The service asks for no other port.
  const deps = given as unknown as Deps;
  serve = async (settings = {}) => {
    await service?.stop();
    service = backtest.create(deps, backtest.settings.parse({ R3_BACKTEST_MAX_BARS: "6000", ...settings }));
    await service.start(new AbortController().signal);
  };
  await serve();
});

afterAll(async () => {
  await service?.stop();
  await queue.close();
  await strategies.close();
  await folder.remove();
  await database.drop();
});

interface Answer {
  id: string;
  state: string;
  items: { id: string }[];
  nextCursor: string | null;
  errors: { field: string }[];
}

async function call(path: string, body?: unknown, headers: Record<string, string> = {}, method?: string) {
  const init = {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  };
  const request = new Request(
    `http://localhost/api/backtest${path}`,
    body === undefined ? { method: method ?? "GET" } : init,
  );
  const answer = await ((service ?? expect.unreachable()).routes as AnyElysia).handle(request);
  return { status: answer.status, body: (await answer.json()) as Answer };
}

async function untilOver(id: string) {
  return await until(async () => {
    const run = runSchema.parse((await call(`/runs/${id}`)).body);
    return run.state === "DONE" || run.state === "FAILED" ? run : null;
  });
}

async function allOf<Item>(path: string, item: z.ZodType<Item>, limit = 700): Promise<Item[]> {
  const items: Item[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const { body } = await call(`${path}?limit=${limit}${cursor === "" ? "" : `&cursor=${cursor}`}`);
    const page: { items: Item[]; nextCursor: string | null } = z
      .object({ items: z.array(item), nextCursor: z.string().nullable() })
      .parse(body);
    items.push(...page.items);
    cursor = page.nextCursor;
  }
  return items;
}

describe("a run", () => {
  test("is worked in a thread and leaves the orders, equity and statistics of the pure run", async () => {
    const created = await call("/runs", WANTED);
    expect(created.status).toBe(202);
    const run = await untilOver(created.body.id);
    expect(run).toMatchObject({ state: "DONE", progress: 1, bars: candles.length, error: null });
    const columns = columnsOf(candles);
    const capital = decimal("10000");
    const policy = run.request.riskPolicy;
    const base = { instrument: spx, columns, capital };
    const pure = runBacktest({ ...base, definition: smaCross, params: WANTED.params, firstN: 1, policy });
    const orders = await allOf(`/runs/${run.id}/orders`, z.unknown());
    expect(orders).toEqual(pure.orders.map(orderToJson));
    const { trades } = tradesOf({ ...base, fills: pure.fills, bars: candles.length });
    expect(await allOf(`/runs/${run.id}/trades`, tradeSchema, 50)).toEqual(trades.map(tradeToJson));
    expect(run.statistics?.trades).toBe(trades.length);
    const points = await allOf(`/runs/${run.id}/equity`, z.object({ closeAtMs: z.number(), equity: z.string() }));
    const expected = [...equityPoints({ ...base, fills: pure.fills })];
    expect(points).toEqual(expected.map(({ closeAtMs, equity }) => ({ closeAtMs, equity: plain(equity) })));
    expect(run.statistics?.finalEquity).toBe(points.at(-1)?.equity as string);
  });

  test("reads a range of candles, and waits for market-data when it is away", async () => {
    history.failures = 2;
    const { body } = await call("/runs", { ...WANTED, fromN: 1_001, toN: 1_600 });
    const done = await untilOver(body.id);
    expect(done).toMatchObject({ state: "DONE", bars: 600, strategyVersion: smaCross.version });
    expect(done.barsReason).toBe(
      "600 candles, number 1001 (2003-12-26) to 1600 (2006-05-15): it begins at fromN (1001) and ends at toN (1600).",
    );
    const year = await call("/runs", { ...WANTED, from: "2007-01-01", to: "2007-12-30" });
    expect(await untilOver(year.body.id)).toMatchObject({ state: "DONE", bars: 250 });
  });

  test("under one Idempotency-Key is one run; with another request the key is refused", async () => {
    const key = { "idempotency-key": crypto.randomUUID() };
    const [one, two] = await Promise.all([call("/runs", WANTED, key), call("/runs", WANTED, key)]);
    expect([one.status, two.status, one.body.id === two.body.id]).toEqual([202, 202, true]);
    const other = await call("/runs", { ...WANTED, capital: "1" }, key);
    expect([other.status, other.body.errors[0]?.field]).toEqual([422, "headers.idempotency-key"]);
    await untilOver(one.body.id);
  });

  test("of a worker that died is worked by the next one, once", async () => {
    const rows = () =>
      database.db.sql`select state from queue.tasks where queue = ${RUN_BACKTEST.queue} and state = 'open'`;
    const id = crypto.randomUUID();
    await database.db.transaction(async (tx) => {
      // As a worker leaves it that was killed in the middle: the run RUNNING, its task open, nothing of it written.
      await tx.sql`
        insert into backtest.runs (id, state, request, progress, fingerprint, created_at_ms)
        values (${id}, 'RUNNING', ${tx.sql.json(WANTED_WITH_DEFAULTS)}, 0.5, '', 0)`;
      await queue.enqueue(tx, { task: RUN_BACKTEST, lane: id, payload: { runId: id } });
      await queue.enqueue(tx, { task: RUN_BACKTEST, lane: id, payload: { runId: id } });
    });
    expect(await untilOver(id)).toMatchObject({ state: "DONE" });
    await until(async () => (await rows()).length === 0);
    const counted = await database.db.sql`select count(*) as n from backtest.orders where run_id = ${id}`;
    const { items } = (await call(`/runs/${id}/orders?limit=1000`)).body;
    expect(counted[0]?.["n"]).toBe(items.length);
  });

  test.each([
    ["too many candles", { instrumentId: LONG }, /more than 6000/],
    ["an empty range", { fromN: 9_000_000 }, /no candles/],
  ])("with %s fails and says why", async (_what, change, reason) => {
    const { body } = await call("/runs", { ...WANTED, ...change });
    const run = await untilOver(body.id);
    expect(run.state).toBe("FAILED");
    expect(run.error).toMatch(reason);
  });
});

describe("a strategy that is no good", () => {
  const RANGE = { fromN: 1_001, toN: 1_600, params: {} };

  test.each([
    [
      "stuck",
      /^The strategy did not come back from candle 1005 \(close \S+Z\) within its budget of 300 ms; its thread was ended\.$/,
    ],
    ["late", /candle \d+ \(close \S+Z\) or before: (error: )?too late/],
    ["wrong", /^The strategy could not be saved after candle 1600 \(close \S+Z\): its snapshot is NaN/],
    ["speaks", /^The strategy failed at candle 1001 \(close \S+Z\): bad \ufffd {2}x{1900,1995}$/],
    [
      "unsaved",
      /^The strategy did not come back from its snapshot\(\) after candle 1600 \(close \S+Z\) within its budget of 3000 ms/,
    ],
    [
      "gathers",
      /^The strategy's thread held \d+ MB at candle \d+ \(close \S+Z\), more than 100 MB, \d+ MB of them gathered in this turn alone/,
    ],
  ])("(%s) is its run's failure, never DONE, and the next run is worked", async (strategy, reason) => {
    const bad = await call("/runs", { ...WANTED, ...RANGE, strategy });
    const next = await call("/runs", { ...WANTED, ...RANGE, params: WANTED.params });
    const run = await untilOver(bad.body.id);
    expect(run.state).toBe("FAILED");
    expect(run.error).toMatch(reason);
    expect((await untilOver(next.body.id)).state).toBe("DONE");
  });

  test("takes longer than its deadline: its run fails and says so, and the next one is worked", async () => {
    const slow = await call("/runs", { ...WANTED, params: {}, strategy: "slow" });
    const next = await call("/runs", { ...WANTED, ...RANGE, params: WANTED.params });
    await until(async () => (await stateOf(slow)) === "RUNNING");
    await until(async () => {
      aheadMs += 3_600_001;
      return (await stateOf(slow)) !== "RUNNING";
    });
    expect(await untilOver(slow.body.id)).toMatchObject({ state: "FAILED", error: TOO_LATE });
    expect((await untilOver(next.body.id)).state).toBe("DONE");
  });

  test("and whose candles took longer to read than its deadline fails as well: that counts from its begin", async () => {
    history.onRead = async () => {
      aheadMs += 3_600_001;
      history.onRead = async () => undefined;
    };
    const slow = await call("/runs", { ...WANTED, params: {}, strategy: "slow" });
    expect(await untilOver(slow.body.id)).toMatchObject({ state: "FAILED", error: TOO_LATE });
  });

  test("takes long: DELETE cancels its run, running or queued, and the next one is worked", async () => {
    const [slow, queued] = [
      await call("/runs", { ...WANTED, params: {}, strategy: "slow" }),
      await call("/runs", { ...WANTED, params: {}, strategy: "slow" }),
    ];
    const next = await call("/runs", { ...WANTED, ...RANGE, params: WANTED.params });
    await until(async () => (await stateOf(slow)) === "RUNNING");
    for (const { body } of [queued, slow]) {
      const answer = await call(`/runs/${body.id}`, undefined, {}, "DELETE");
      expect(answer).toMatchObject({ status: 200, body: { state: "CANCELED", error: "It was canceled." } });
    }
    expect((await untilOver(next.body.id)).state).toBe("DONE");
    expect([await stateOf(slow), await stateOf(queued)]).toEqual(["CANCELED", "CANCELED"]);
    expect((await call(`/runs/${slow.body.id}`, undefined, {}, "DELETE")).status).toBe(200);
    expect((await call(`/runs/${next.body.id}`, undefined, {}, "DELETE")).status).toBe(409);
  });
});

test.each([1, 2])("%d runs at once are worked where R3_BACKTEST_CONCURRENCY says so, and no more", async (atOnce) => {
  await serve({ R3_BACKTEST_CONCURRENCY: `${atOnce}` });
  const working = { now: 0, most: 0 };
  history.onRead = async () => {
    working.now += 1;
    working.most = Math.max(working.most, working.now);
    await until(() => working.most >= atOnce);
    // Time for another one, if it may come.
    for (let n = 0; n < 10; n += 1) await database.db.ping();
    working.now -= 1;
  };
  const wanted = { ...WANTED, fromN: 1_001, toN: 1_600 };
  const runs = await Promise.all(Array.from({ length: 6 }, () => call("/runs", wanted)));
  for (const { body } of runs) expect((await untilOver(body.id)).state).toBe("DONE");
  history.onRead = async () => undefined;
  expect(working).toEqual({ now: 0, most: atOnce });
});

const TOO_LATE = "It took longer than its deadline of 3600 s (R3_BACKTEST_DEADLINE_S).";

const stateOf = async ({ body }: { body: Answer }) => (await call(`/runs/${body.id}`)).body.state;

const WANTED_WITH_DEFAULTS = {
  ...WANTED,
  history: 0,
  riskPolicy: { ...WANTED.riskPolicy, maxOrderNotional: null, maxPositionNotional: null, signalValidityMs: null },
};

test("a run's deadline ends it before its task's would begin it anew", () => {
  const { deadlineMs = 0 } = RUN_BACKTEST;
  const asLongAsItsTask = { R3_BACKTEST_DEADLINE_S: String(deadlineMs / 1_000) };
  expect(backtest.settings.safeParse(asLongAsItsTask).success).toBe(false);
});

describe("a request", () => {
  test.each([
    [{ strategy: "none" }, ["strategy"]],
    [{ params: { fast: 50, slow: "x", more: 1 } }, ["params.slow", "params.more"]],
    [{ capital: "0", timeFrame: "1y" }, ["timeFrame", "capital"]],
    [{ instrumentId: "NO/NO.paper", strategy: "none" }, ["instrumentId", "strategy"]],
    [{ timeFrame: "1h" }, ["timeFrame"]],
    [{ riskPolicy: { sizing: { method: "percent-of-equity", percent: "500" } } }, ["riskPolicy.sizing.percent"]],
    [{ riskPolicy: { sizing: { method: "fixed-size", size: "0.00015" } } }, ["riskPolicy.sizing.size"]],
    [{ fromN: 5, toN: 4 }, ["toN"]],
    [{ from: "2010-01-02", to: "2010-01-01" }, ["to"]],
    [{ from: "2010-02-30", to: "2010-01-01T00:00:00Z" }, ["from", "to"]],
    [{ from: "2010-01-01", fromN: 5, to: "2010-01-02", toN: 7 }, ["from", "to"]],
    [{ history: 100_001 }, ["history"]],
  ])("with %p is refused and names its fields", async (change, fields) => {
    const { status, body } = await call("/runs", { ...WANTED, ...change });
    expect(status).toBe(422);
    expect(body.errors.map(({ field }: { field: string }) => field)).toEqual(fields);
  });

  test("for a run that is not there is 404; the list is paged", async () => {
    expect((await call(`/runs/${crypto.randomUUID()}`)).status).toBe(404);
    for (const list of ["orders", "trades"])
      expect((await call(`/runs/${crypto.randomUUID()}/${list}`)).status).toBe(404);
    const { body } = await call("/runs?limit=2");
    expect(body.items.length).toBe(2);
    const next = await call(`/runs?limit=2&cursor=${body.nextCursor}`);
    expect(next.body.items[0]?.id).not.toBe(body.items[1]?.id as string);
  });
});

import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { createTestDatabase, testRedis } from "#shared/db/test-database.ts";
import { MADE_UP_MARKET } from "#shared/exchange/paper-venue.fixture.ts";
import { bodyOf, strategyFolder } from "#shared/strategy-threads/thread-host.fixture.ts";
import { eventually, type RunningProcess, startProcess, untilReady } from "#testing/alone.fixture.ts";

const INSTRUMENT = "BTC/USDT.paper";
const ENGINE = [
  "data-collect",
  "market-data",
  "session-manager",
  "strategy-executor",
  "risk-manager",
  "order-position-tracker",
];
/** What each strategy does wrong in its third bar, and what its session says of it. */
const BAD: Readonly<Record<string, { onBar: string; told: RegExp }>> = {
  loops: {
    onBar: "if (bars === 3) for (;;);",
    told: /^The strategy did not come back from candle \d+ \(close \S+Z\) within its budget of 5000 ms/,
  },
  eats: {
    onBar: "if (bars === 3) for (const all: number[][] = [];;) all.push(new Array(1e5).fill(1.5));",
    told: /^The process grew by more than 200 MB while the strategy was at candle \d+ \(close \S+Z\); its thread was ended\.$/,
  },
  late: {
    onBar: 'if (bars === 3) void (async () => { await null; throw new Error("too late"); })();',
    told: /at candle \d+ \(close \S+Z\) or before: too late \(late\.ts, line \d+\)/,
  },
  throws: {
    onBar: 'if (bars === 3) throw new Error("on purpose");',
    told: /failed at candle \d+ \(close \S+Z\): on purpose/,
  },
};

const sessionSchema = z.object({ id: z.string(), state: z.string(), stateReason: z.string().nullish() });

async function call(url: string, body?: object) {
  const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(url, body === undefined ? {} : request);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json() as Promise<unknown>;
}

/** How long each of many answers of /livez took, in milliseconds, until it is told to end. */
function watchLiveness(url: string) {
  const took: number[] = [];
  let over = false;
  const watching = (async () => {
    while (!over) {
      const sinceMs = performance.now();
      await fetch(`${url}/livez`);
      took.push(performance.now() - sinceMs);
      await Bun.sleep(20);
    }
  })();
  return async () => {
    over = true;
    await watching;
    return took.toSorted((left, right) => left - right);
  };
}

test("strategies that loop, eat memory, fail late or throw fault their own sessions; the engine answers, another session trades on, and a restart starts none of them", async () => {
  const database = await createTestDatabase();
  const redis = testRedis();
  const folder = await mkdtemp(join(tmpdir(), "contained-"));
  const strategies = await strategyFolder();
  for (const [name, { onBar }] of Object.entries(BAD)) {
    await strategies.write(name, `(() => { let bars = 0; return ${bodyOf(`bars += 1; ${onBar}`)}; })()`);
  }
  const venue = await startProcess(["paper-exchange"], {
    R3_PAPER_EXCHANGE_MARKETS: JSON.stringify([MADE_UP_MARKET]),
    R3_PAPER_EXCHANGE_FOLDER: folder,
  });
  const start = async (): Promise<RunningProcess> => {
    const engine = await startProcess(ENGINE, {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      R3_PREFIX: redis.prefix,
      R3_VENUES: JSON.stringify([
        { id: "paper", connector: "binance", restUrl: `${venue.url}/api/paper-exchange/markets/made-up`, listLagMs: 0 },
      ]),
      R3_ACCOUNTS: JSON.stringify([{ id: "main", venue: "paper", apiKey: "key", secret: "secret" }]),
      R3_STRATEGY_FOLDERS: `strategies,${strategies.path}`,
      // Long enough for what eats memory to be ended for that.
      R3_STRATEGY_BAR_BUDGET_MS: "5000",
      R3_STRATEGY_THREAD_MEMORY_MB: "200",
    });
    await untilReady(engine, 30_000);
    return engine;
  };
  const sessionsAt = (engine: RunningProcess) => `${engine.url}/api/session-manager/sessions`;
  const begin = async (engine: RunningProcess, strategy: string): Promise<string> => {
    const wanted = {
      name: strategy,
      strategy,
      params: {},
      instrumentIds: [INSTRUMENT],
      timeFrame: "1s",
      accountId: "main",
      capital: "1000",
      riskPolicy: { sizing: { method: "percent-of-equity", percent: "50" } },
      stopPolicy: "keep",
    };
    const { id } = sessionSchema.parse(await call(sessionsAt(engine), wanted));
    await call(`${sessionsAt(engine)}/${id}/start`, {});
    return id;
  };
  const sessionOf = async (engine: RunningProcess, id: string) =>
    sessionSchema.parse(await call(`${sessionsAt(engine)}/${id}`));
  const candleOf = async (id: string) =>
    Number(
      (await database.db.sql`select candle_n from strategy_executor.runs where session_id = ${id}`)[0]?.["candle_n"],
    );
  let engine: RunningProcess | null = null;
  let livez: ReturnType<typeof watchLiveness> | undefined;
  try {
    await untilReady(venue);
    engine = await start();
    const running = engine;
    const good = await eventually("a good session", () => begin(running, "flip").catch(() => null), 30_000);
    await eventually("it runs", async () => (await sessionOf(running, good)).state === "RUNNING", 20_000);
    livez = watchLiveness(running.url);
    const bad: string[] = [];
    for (const [name, { told }] of Object.entries(BAD)) {
      const id = await begin(running, name);
      bad.push(id);
      const faulted = async () => {
        const session = await sessionOf(running, id);
        return session.state === "FAULTED" && session;
      };
      expect((await eventually(`${name} is faulted`, faulted, 30_000)).stateReason).toMatch(told);
    }
    const took = await livez();
    expect(took[Math.floor(took.length / 2)]).toBeLessThan(50);
    expect(took.at(-1)).toBeLessThan(500);
    const before = await candleOf(good);
    await eventually("the good one goes on", async () => (await candleOf(good)) > before + 2, 20_000);
    await engine.stop();
    engine = await start();
    const again = engine;
    const at = await candleOf(good);
    await eventually("it goes on after a restart", async () => (await candleOf(good)) > at + 2, 30_000);
    for (const id of bad) expect((await sessionOf(again, id)).state).toBe("FAULTED");
    const restarted = again.log.filter(
      (line) => line.includes("a strategy failed") || line.includes("thread was ended"),
    );
    expect(restarted).toEqual([]);
  } finally {
    // A question that meets nobody any more would end the test before the rest is stopped.
    await livez?.();
    await engine?.stop();
    await venue.stop();
    await strategies.remove();
    await redis.cleanup();
    await database.drop();
    await rm(folder, { recursive: true });
  }
}, 240_000);

import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, testRedis } from "#shared/db/test-database.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import { MADE_UP_MARKET } from "#shared/exchange/paper-venue.fixture.ts";
import { eventually, type RunningProcess, startProcess, untilReady } from "#testing/alone.fixture.ts";

const INSTRUMENT = "BTC/USDT.paper";
const ENGINE = ["data-collect", "market-data"];

async function post(url: string, body: object): Promise<void> {
  const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(url, request);
  if (!answer.ok) throw new Error(await answer.text());
}

/** A candle as the venue and the store tell it: when it opened, its prices and its volume, as numbers. */
type Row = readonly number[];

test("candles of trades at a venue whose lists lag, whose streams break and are silent, across a restart: each is stored once and is the venue's", async () => {
  const database = await createTestDatabase();
  const redis = testRedis();
  const folder = await mkdtemp(join(tmpdir(), "traded-candles-"));
  const venue = await startProcess(["paper-exchange"], {
    R3_PAPER_EXCHANGE_MARKETS: JSON.stringify([MADE_UP_MARKET]),
    R3_PAPER_EXCHANGE_FOLDER: folder,
    R3_PAPER_EXCHANGE_CONTROL: "true",
  });
  const market = `${venue.url}/api/paper-exchange/markets/made-up`;
  const misbehave = (...faults: object[]) => post(`${market}/control/faults`, { seed: 7, faults });
  let engine: RunningProcess | null = null;
  const start = async (): Promise<void> => {
    engine = await startProcess(ENGINE, {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      R3_PREFIX: redis.prefix,
      R3_VENUES: JSON.stringify([{ id: "paper", connector: "binance", restUrl: market }]),
      R3_DATA_COLLECT_STALE_AFTER_MS: "1000",
    });
    await untilReady(engine);
  };
  const stored = async (): Promise<Row[]> => {
    const rows = await database.db.sql<Record<string, unknown>[]>`
      select open_at_ms, open, high, low, close, volume from market_data.candles order by n`;
    return rows.map((row) => Object.values(row).map(Number));
  };
  const listed = async (): Promise<Row[]> => {
    const rows = (await (
      await fetch(`${market}/api/v3/klines?symbol=BTCUSDT&interval=1s&limit=1000`)
    ).json()) as unknown[][];
    return rows.map((row) => row.slice(0, 6).map(Number));
  };
  const past = async (ms: number): Promise<void> => {
    const untilMs = Date.now() + ms;
    await eventually("the head is there", async () => ((await stored()).at(-1)?.[0] ?? 0) > untilMs, ms + 30_000);
  };
  try {
    await untilReady(venue);
    await misbehave({ fault: "bars-lag", lagMs: 2_000 });
    await putSession(database.db.sql, sessionOf({ instrumentIds: [INSTRUMENT], timeFrame: "1s", state: "RUNNING" }));
    await start();
    const url = `${(engine as RunningProcess | null)?.url}/api/market-data/series`;
    await post(url, { instrumentId: INSTRUMENT, timeFrame: "1s", source: "trades", history: 5 });
    await past(1_000);
    await misbehave({ fault: "bars-lag", lagMs: 2_000 }, { fault: "disconnect", kind: "market" });
    await past(1_000);
    await misbehave({ fault: "stream-silent", kind: "market", stream: "trade" });
    await past(4_000);
    await misbehave({ fault: "answer-5xx", probability: 0.3 }, { fault: "stream-doubled", kind: "market" });
    await past(1_000);
    await misbehave({ fault: "bars-lag", lagMs: 2_000 });
    await (engine as RunningProcess | null)?.stop();
    const stoppedAtMs = Date.now();
    await eventually("bars that nobody heard", async () => ((await listed()).at(-1)?.[0] ?? 0) > stoppedAtMs);
    await start();
    await past(2_000);
    await misbehave();
    const ours = await stored();
    const [first, last] = [ours[0]?.[0] ?? 0, ours.at(-1)?.[0] ?? 0];
    const theirs = (await listed()).filter(([at = 0, , , , , volume]) => at >= first && at <= last && volume !== 0);
    expect(ours).toEqual(theirs);
    expect([...(await database.db.sql`select code, text from alerts.open`)]).toEqual([]);
  } finally {
    await (engine as RunningProcess | null)?.stop();
    await venue.stop();
    await redis.cleanup();
    await database.drop();
    await rm(folder, { recursive: true });
  }
}, 180_000);

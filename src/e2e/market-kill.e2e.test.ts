import { afterAll, beforeAll, expect, test } from "bun:test";
import { z } from "zod";
import { getJson, postJson } from "#local/rest.ts";
import { putSession } from "#shared/db/reference-rows.fixture.ts";
import { createTestDatabase, type TestDatabase, type TestRedis, testRedis } from "#shared/db/test-database.ts";
import { type Candle, candleSchema, type Quote, quoteSchema } from "#shared/domain/candle.ts";
import { sessionOf } from "#shared/domain/domain.fixture.ts";
import { MADE_UP_MARKET, type PaperVenue, startPaperVenue } from "#shared/exchange/paper-venue.fixture.ts";
import { eventually, type RunningProcess, startProcess, untilReady } from "#testing/alone.fixture.ts";

/** Instruments at each of two venues; every other series is made of trades. */
const AT_EACH = 4;
const INSTANCES = 3;
/** A lease of 5 s runs out, the partitions are given out anew, and the venue is asked for what is missing; on a busy machine. */
const LONGEST_PAUSE_MS = 20_000;
const LOOK_EVERY_MS = 20;

interface Market {
  instrumentId: string;
  url: string;
  source: "bars" | "trades";
}

/** When the head of a series was seen to move, monotonic, and to which candle. */
interface Move {
  atMs: number;
  openAtMs: number;
}

let database: TestDatabase;
let redis: TestRedis;
const venues: PaperVenue[] = [];
const markets: Market[] = [];
const processes: RunningProcess[] = [];
const moves = new Map<string, Move[]>();
const over = new AbortController();
let watching: Promise<void> = Promise.resolve();

async function start(): Promise<RunningProcess> {
  const venuesOf = markets.map(({ instrumentId, url }) => ({
    id: instrumentId.split(".")[1],
    connector: "binance",
    restUrl: url,
  }));
  const one = await startProcess(["data-collect", "market-data"], {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    R3_PREFIX: redis.prefix,
    R3_VENUES: JSON.stringify(venuesOf),
    R3_MARKET_DATA_LEAST_HISTORY: "5",
  });
  processes.push(one);
  await untilReady(one);
  return one;
}

/** Notes each move of a head until it is told to stop. */
async function watch(): Promise<void> {
  while (!over.signal.aborted) {
    const rows = await database.db.sql<{ instrument_id: string; head_open_at_ms: number | null }[]>`
      select instrument_id, head_open_at_ms from market_data.series`;
    for (const { instrument_id: id, head_open_at_ms: openAtMs } of rows) {
      const seen = moves.get(id) ?? [];
      moves.set(id, seen);
      if (openAtMs !== null && seen.at(-1)?.openAtMs !== openAtMs) seen.push({ atMs: performance.now(), openAtMs });
    }
    await Bun.sleep(LOOK_EVERY_MS);
  }
}

beforeAll(async () => {
  database = await createTestDatabase();
  redis = testRedis();
  for (const venue of ["north", "south"]) {
    const own = Array.from({ length: AT_EACH }, (_, n) => ({
      ...MADE_UP_MARKET,
      id: `${venue}-${n + 1}`,
      seed: n + 1,
    }));
    const process = await startPaperVenue(own);
    venues.push(process);
    for (const [n, { id, symbol }] of own.entries()) {
      markets.push({ instrumentId: `${symbol}.${id}`, url: process.url(id), source: n % 2 === 0 ? "bars" : "trades" });
    }
  }
  for (const [n, { instrumentId }] of markets.entries()) {
    const session = sessionOf({ instrumentIds: [instrumentId], timeFrame: "1s", state: "RUNNING" });
    await putSession(database.db.sql, { ...session, id: `session-${n}` });
  }
  for (let count = 0; count < INSTANCES; count += 1) await start();
});

afterAll(async () => {
  over.abort();
  await watching;
  await Promise.all(processes.map((one) => one.stop()));
  await Promise.all(venues.map((one) => one.stop()));
  await redis.cleanup();
  await database.drop();
});

/** The feeds that a process runs, by its log. */
function feedsOf({ log }: RunningProcess): Set<string> {
  const running = new Set<string>();
  for (const line of log) {
    const { msg, feed } = JSON.parse(line) as { msg?: string; feed?: string };
    if (msg === "feed started") running.add(feed ?? "");
    if (msg === "feed stopped") running.delete(feed ?? "");
  }
  return running;
}

async function itemsOf<Item>({ url }: RunningProcess, path: string, item: z.ZodType<Item>): Promise<Item[]> {
  return z.object({ items: z.array(item) }).parse(await getJson(`${url}/api/market-data${path}`)).items;
}

const pathOf = (id: string) => `/candles?instrumentId=${encodeURIComponent(id)}&timeFrame=1s&limit=1000`;

/** As the venue lists them and as they are stored: when it opened, its prices and its volume, as numbers. */
type Row = readonly number[];

async function listed({ url, source }: Market, from: number, to: number): Promise<Row[]> {
  const query = `symbol=BTCUSDT&interval=1s&limit=1000&startTime=${from}&endTime=${to}`;
  const rows = z.array(z.array(z.unknown())).parse(await getJson(`${url}/api/v3/klines?${query}`));
  const read = rows.map((one) => one.slice(0, 6).map(Number));
  return source === "bars" ? read : read.filter(([, , , , , volume]) => volume !== 0);
}

const rowOf = ({ openAtMs, open, high, low, close, volume }: Candle): Row =>
  [openAtMs, open, high, low, close, volume].map(Number);

/** The longest time in which a head did not move, of those that were seen after an instant. */
function longestPause(instrumentId: string, fromMs: number): number {
  const seen = moves.get(instrumentId) ?? [];
  return Math.max(...seen.map(({ atMs }, n) => (atMs < fromMs ? 0 : atMs - (seen[n - 1]?.atMs ?? atMs))));
}

/** Waits until every series has a candle that opened this much later than now, by the venues' clock. */
async function pastAll(ms: number): Promise<void> {
  const untilMs = Date.now() + ms;
  const isThere = () => markets.every(({ instrumentId: id }) => (moves.get(id)?.at(-1)?.openAtMs ?? 0) > untilMs);
  await eventually("every head is past it", isThere, ms + 30_000);
}

async function standing(process: RunningProcess): Promise<Quote[]> {
  return await itemsOf(process, "/quotes", quoteSchema);
}

test("three instances at two venues, one killed: its instruments move within seconds, no candle is missing, and any replica answers alike", async () => {
  const [first = expect.unreachable()] = processes;
  for (const { instrumentId, source } of markets) {
    await postJson(`${first.url}/api/market-data/series`, { instrumentId, timeFrame: "1s", source, history: 5 });
    await postJson(`${first.url}/api/data-collect/feeds`, { instrumentId, kind: "quotes" });
  }
  watching = watch();
  await pastAll(3_000);
  const killed = processes.toSorted((a, b) => feedsOf(b).size - feedsOf(a).size).at(0) ?? expect.unreachable();
  const lost = feedsOf(killed);
  const others = processes.filter((one) => one !== killed);
  process.kill(killed.pid, "SIGKILL");
  const [killedAtMs, killedAt] = [performance.now(), Date.now()];
  await pastAll(3_000);
  const taken = new Set(others.flatMap((one) => [...feedsOf(one)]));
  const restarted = await start();
  await pastAll(2_000);
  over.abort();
  await watching;

  const alive = [...others, restarted];
  const pauses = markets.map(({ instrumentId }) => longestPause(instrumentId, killedAtMs));
  let candles = 0;
  for (const market of markets) {
    const { instrumentId } = market;
    const told = await Promise.all(alive.map((one) => itemsOf(one, pathOf(instrumentId), candleSchema)));
    const fewest = Math.min(...told.map(({ length }) => length));
    const [ours = expect.unreachable(), ...same] = told.map((all) => all.slice(0, fewest));
    for (const answer of same) expect(answer).toEqual(ours);
    // One that has grown at its beginning begins below 1.
    const first = ours[0]?.n ?? expect.unreachable();
    expect(ours.map(({ n }) => n)).toEqual(ours.map((_, index) => first + index));
    expect(ours.map(rowOf)).toEqual(await listed(market, ours[0]?.openAtMs ?? 0, ours.at(-1)?.openAtMs ?? 0));
    candles += ours.length;
  }
  for (const one of alive) {
    const isFresh = (all: Quote[]) =>
      all.length === markets.length && all.every((quote) => quote.receivedAtMs > killedAt);
    await eventually("every quote is of after the kill", async () => isFresh(await standing(one)));
  }
  process.stdout.write(
    `${markets.length} instruments at ${venues.length} venues, ${lost.size} feeds of the killed instance moved, ${candles} candles, ` +
      `longest pause of a series ${(Math.max(...pauses) / 1_000).toFixed(1)} s\n`,
  );
  expect(lost.size).toBeGreaterThan(0);
  expect([...lost].filter((feed) => !taken.has(feed))).toEqual([]);
  expect(Math.max(...pauses)).toBeLessThan(LONGEST_PAUSE_MS);
  expect([...(await database.db.sql`select code, text from alerts.open`)]).toEqual([]);
}, 150_000);

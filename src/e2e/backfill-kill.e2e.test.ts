import { expect, test } from "bun:test";
import { z } from "zod";
import { getJson, postJson } from "#local/rest.ts";
import { createTestDatabase, testRedis } from "#shared/db/test-database.ts";
import { candleSchema } from "#shared/domain/candle.ts";
import { MADE_UP_MARKET, startPaperVenue } from "#shared/exchange/paper-venue.fixture.ts";
import { eventually, type RunningProcess, startProcess, untilReady } from "#testing/alone.fixture.ts";

const INSTRUMENT = "BTC/USDT.made-up";
const KEY = { instrumentId: INSTRUMENT, timeFrame: "1s" };
/** Bars that the venue lists as it starts: five pages. */
const BARS = 5_000;
/** Each answer of the venue's list comes so late: a page takes longer than it takes to look. */
const LATE_MS = 400;

const backfillSchema = z.object({
  id: z.string(),
  state: z.string(),
  added: z.number(),
  progress: z.number(),
  oldestOpenAtMs: z.number(),
  endReason: z.string().nullable(),
  error: z.string().nullable(),
});

test("a back-fill whose worker is killed is taken over and ends DONE: the venue's bars, each once, under dense numbers", async () => {
  const database = await createTestDatabase();
  const redis = testRedis();
  const { sql } = database.db;
  const venue = await startPaperVenue([{ ...MADE_UP_MARKET, historyBars: BARS }]);
  const processes: RunningProcess[] = [];
  const url = venue.url("made-up");
  const settings = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    R3_PREFIX: redis.prefix,
    R3_VENUES: JSON.stringify([{ id: "made-up", connector: "binance", restUrl: url }]),
    R3_MARKET_DATA_LEAST_HISTORY: "5",
  };
  const start = async (): Promise<RunningProcess> => {
    const one = await startProcess(["data-collect", "market-data"], settings);
    processes.push(one);
    await untilReady(one);
    return one;
  };
  /** Who holds the lane of the back-fill, and under which epoch. */
  const lane = async (id: string) => {
    const [row] = await sql<{ owner: string | null; epoch: number }[]>`
      select owner, epoch from queue.lanes where queue = 'market-data' and lane = ${id}`;
    return row ?? null;
  };
  try {
    const first = await start();
    const asked = (base: string, path: string, body: object) =>
      postJson(`${base}/api/market-data${path}`, body).then(({ body: answer }) => answer);
    await asked(first.url, "/series", { ...KEY, source: "bars", history: 5 });
    await venue.control("made-up", "faults", {
      seed: 7,
      faults: [{ fault: "answer-delayed", what: "GET klines", delayMs: LATE_MS }],
    });
    const { id } = backfillSchema.parse(await asked(first.url, "/backfills", { ...KEY, count: 20_000 }));
    const read = async (base: string) => backfillSchema.parse(await getJson(`${base}/api/market-data/backfills/${id}`));
    // It alone is there, so that it is known whose worker it is.
    const before = await eventually("it is under way", async () => {
      const one = await read(first.url);
      return one.added > 0 && one.state === "RUNNING" && one;
    });
    const held = await lane(id);
    expect(held?.owner).not.toBeNull();
    process.kill(first.pid, "SIGKILL");
    const killedAtMs = performance.now();
    expect(before.added).toBeLessThan(BARS - 1_000);

    const second = await start();
    const taken = () => lane(id).then((now) => now !== null && now.epoch > (held?.epoch ?? 0));
    await eventually("another one has taken it", taken, 30_000);
    const pauseMs = Math.round(performance.now() - killedAtMs);
    const over = await eventually(
      "it is over",
      async () => {
        const one = await read(second.url);
        return one.state !== "RUNNING" && one.state !== "QUEUED" && one;
      },
      60_000,
    );
    expect(over).toMatchObject({ state: "DONE", progress: 1, error: null });
    expect(over.endReason).toStartWith("History begins at ");

    const rows = await sql<{ n: number; open_at_ms: number }[]>`
      select n, open_at_ms from market_data.candles where instrument_id = ${INSTRUMENT} order by n`;
    const [oldest = expect.unreachable()] = rows;
    expect(rows.map(({ n }) => n)).toEqual(rows.map((_, index) => oldest.n + index));
    // The market makes a bar each second: none is missing, and none is there twice.
    expect(rows.map(({ open_at_ms: at }) => at)).toEqual(rows.map((_, index) => oldest.open_at_ms + index * 1_000));
    expect(over).toMatchObject({ added: 1 - oldest.n, oldestOpenAtMs: oldest.open_at_ms });
    expect(over.added).toBeGreaterThan(BARS - 1_000);

    const path = `candles?instrumentId=${encodeURIComponent(INSTRUMENT)}&timeFrame=1s&fromN=${oldest.n}&limit=1000`;
    const told = z
      .object({ items: z.array(candleSchema) })
      .parse(await getJson(`${second.url}/api/market-data/${path}`));
    const query = `symbol=BTCUSDT&interval=1s&limit=1000&startTime=${oldest.open_at_ms}`;
    const listed = z.array(z.array(z.unknown())).parse(await getJson(`${url}/api/v3/klines?${query}`));
    expect(
      told.items.map(({ openAtMs, open, high, low, close, volume }) =>
        [openAtMs, open, high, low, close, volume].map(Number),
      ),
    ).toEqual(listed.map((bar) => bar.slice(0, 6).map(Number)));
    process.stdout.write(
      `${JSON.stringify({ proof: "backfill", addedBefore: before.added, added: over.added, pauseMs })}\n`,
    );
  } finally {
    await Promise.all(processes.map((one) => one.stop()));
    await venue.stop();
    await redis.cleanup();
    await database.drop();
  }
}, 150_000);

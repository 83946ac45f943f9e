import Table from "cli-table3";
import { makeDatabase } from "#local/make-database.ts";
import { step, Trouble } from "#local/say.ts";
import { inScratch, type Scratch } from "#local/scratch.ts";
import { startServers } from "#local/servers.ts";
import { addTrades, type FormingCandle, runsOf } from "#shared/candles/aggregate.ts";
import type { VenueTrade } from "#shared/domain/candle.ts";
import { candleOpenAtMs, type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";
import { event, MARKET_CANDLES, MARKET_TRADES } from "#shared/messages/topics.ts";
import { type JoinedBus, joinBus } from "./joined-bus.ts";
import { quantile } from "./quantile.ts";
import { startAlone } from "./start-alone.ts";

const FRAMES = ["1s", "1m", "5m", "15m", "1h", "4h", "1d"] as const satisfies readonly TimeFrame[];
const INSTRUMENTS = 100;
/** Of each round its own: none has begun. */
const instrumentsOf = (round: number) => Array.from({ length: INSTRUMENTS }, (_, n) => `COIN${n}R${round}/USDT.bench`);
/** Of each instrument, in each second of the market. */
const TRADES_A_SECOND = 20;
/** Of the market, in one round. */
const SECONDS = 150;
const ROUND_TRADES = INSTRUMENTS * TRADES_A_SECOND * SECONDS;
const WITHOUT_PROGRESS_MS = 30_000;
/** The market is a replay: its candles are not ended by the clock. */
const REPLAYED_MS = 86_400_000;
/** A trade before it opens no candle of any of these time frames: each series begins with a whole one. */
const BEGIN_MS = Date.UTC(2024, 0, 2);

/** The trades of one second of the market. Prices walk; sizes have eight decimals. */
function tradesOf(instruments: readonly string[], second: number): VenueTrade[] {
  const trades: VenueTrade[] = [];
  for (const [index, instrumentId] of instruments.entries())
    for (let n = 0; n < TRADES_A_SECOND; n += 1) {
      const id = second * TRADES_A_SECOND + n + 1;
      const price = `${30_000 + ((id * 7919 + index * 104_729) % 2_000)}.${String((id * 31) % 100).padStart(2, "0")}`;
      const atMs = BEGIN_MS + second * 1_000 + n * (1_000 / TRADES_A_SECOND);
      const size = `0.${String((id * 15_485_863) % 100_000_000).padStart(8, "0")}`;
      trades.push({
        instrumentId,
        tradeId: String(id),
        price,
        size,
        takerSide: "BUY",
        atMs,
        receivedAtMs: atMs + REPLAYED_MS,
      });
    }
  return trades;
}

/** Series that have begun: their next trade is number 1, so that nothing is asked of a venue. */
async function addSeries({ db, bus }: JoinedBus, instruments: readonly string[]): Promise<void> {
  const all = instruments.flatMap((id) => FRAMES.map((timeFrame) => ({ id, timeFrame })));
  const openings = all.map(({ timeFrame }) => candleOpenAtMs(timeFrame, BEGIN_MS - 1));
  const keys = [all.map(({ id }) => id), all.map(({ timeFrame }) => timeFrame)] as const;
  await db.sql`
    insert into market_data.series (instrument_id, time_frame, source, forming, history, partition, created_at_ms,
      head_n, head_open_at_ms, last_trade_id)
    select id, frame, 'trades', false, 1, partition, 0, 1, opening, '0'
    from unnest(${keys[0]}::text[], ${keys[1]}::text[], ${all.map(({ id }) => bus.partitionOf(id))}::int[],
      ${openings}::bigint[]) as made (id, frame, partition, opening)`;
  await db.sql`
    insert into market_data.candles (instrument_id, time_frame, n, open_at_ms, close_at_ms, open, high, low, close, volume, received_at_ms)
    select id, frame, 1, opening, opening + 1, 1, 1, 1, 1, 1, 0
    from unnest(${keys[0]}::text[], ${keys[1]}::text[], ${openings}::bigint[]) as made (id, frame, opening)`;
}

/** How many of the shortest candles have been published, and in what time. */
function listen({ bus }: JoinedBus) {
  const newest = new Map<string, number>();
  const heard = { candles: 0, firstAtMs: 0, lastAtMs: 0, before: 0 };
  const tail = bus.tail({
    topic: MARKET_CANDLES,
    from: "now",
    handle(events) {
      for (const { data } of events) {
        if (data.timeFrame !== "1s") continue;
        const last = newest.get(data.instrumentId) ?? 1;
        // The newest one is published again every second, and may overtake those before it.
        if (data.n <= last) continue;
        newest.set(data.instrumentId, data.n);
        heard.candles += data.n - last;
      }
      heard.lastAtMs = performance.now();
      if (heard.firstAtMs > 0 || heard.candles === heard.before) return;
      Object.assign(heard, { firstAtMs: heard.lastAtMs, before: heard.candles });
    },
  });
  return { heard, tail };
}

type Heard = ReturnType<typeof listen>["heard"];

async function untilHeard(heard: Heard, candles: number): Promise<void> {
  let sinceMs = performance.now();
  for (let before = heard.candles; heard.candles < candles; ) {
    await Bun.sleep(20);
    if (heard.candles > before) [before, sinceMs] = [heard.candles, performance.now()];
    if (performance.now() - sinceMs > WITHOUT_PROGRESS_MS)
      throw new Trouble(`${heard.candles} of ${candles} candles have come, and no more do.`);
  }
}

/** Trades a second that the bare fold comes to: the same trades into the same time frames, nothing read, stored or told. */
function bareTradesPerS(instruments: readonly string[]): number {
  const byInstrument = new Map<string, VenueTrade[]>();
  for (let second = 0; second < SECONDS; second += 1)
    for (const trade of tradesOf(instruments, second)) {
      const list = byInstrument.get(trade.instrumentId) ?? [];
      list.push(trade);
      byInstrument.set(trade.instrumentId, list);
    }
  const beganMs = performance.now();
  for (const trades of byInstrument.values()) {
    const forming = new Map<TimeFrame, FormingCandle>();
    for (const run of runsOf(trades, FRAMES))
      for (const frame of FRAMES) forming.set(frame, addTrades(frame, forming.get(frame) ?? null, run).forming);
  }
  return (ROUND_TRADES * 1_000) / (performance.now() - beganMs);
}

interface Figures {
  tradesPerS: number;
  bareTradesPerS: number;
}

/**
 * The trades wait in the streams before market-data is started: what is measured is what it comes to, not who publishes. From the
 * first candles that were heard to the last; a second's candles come with the trades of the next one.
 */
async function playRound(joined: JoinedBus, heard: Heard, round: number, start: () => Promise<void>): Promise<Figures> {
  const instruments = instrumentsOf(round);
  await addSeries(joined, instruments);
  for (let second = 0; second < SECONDS; second += 1)
    await joined.bus.publishVolatile(
      tradesOf(instruments, second).map((trade) => event(MARKET_TRADES, trade.instrumentId, "market.trade", trade)),
    );
  Object.assign(heard, { firstAtMs: 0, before: heard.candles });
  const wanted = heard.candles + (SECONDS - 1) * INSTRUMENTS;
  await start();
  await untilHeard(heard, wanted);
  const trades = (heard.candles - heard.before) * TRADES_A_SECOND;
  return {
    tradesPerS: (trades * 1_000) / (heard.lastAtMs - heard.firstAtMs),
    bareTradesPerS: bareTradesPerS(instruments),
  };
}

/** All candles of all time frames are stored: how many of each series, from its first whole one on. */
async function proveStored({ db }: JoinedBus, rounds: number): Promise<number> {
  const rows = await db.sql<{ time_frame: TimeFrame; least: number; most: number; count: number }[]>`
    select time_frame, min(head_n) - 1 as least, max(head_n) - 1 as most, count(*)::int as count
    from market_data.series group by time_frame`;
  for (const frame of FRAMES) {
    const row = rows.find(({ time_frame }) => time_frame === frame);
    // The last one of each is still forming.
    const own = Math.ceil((SECONDS * 1_000) / timeFrameMs(frame)) - 1;
    if (row?.least !== own || row.most !== own || row.count !== rounds * INSTRUMENTS)
      throw new Trouble(
        `Of candles of ${frame}, ${row?.least} to ${row?.most} are stored in a series instead of ${own}.`,
      );
  }
  return rows.reduce((sum, { least, count }) => sum + least * count, 0);
}

async function measure(scratch: Scratch, rounds: number) {
  const servers = await startServers(scratch.supervisor, scratch.data, { durable: true, given: {} });
  const databaseUrl = await makeDatabase(servers.databaseUrl, "r3_candles");
  const place = { DATABASE_URL: databaseUrl, REDIS_URL: servers.redisUrl, R3_PREFIX: "r3-candles" };
  const start = async () => void (await startAlone(scratch, "market-data", place));
  const stop = async () => await scratch.supervisor.end("market-data");
  await step("Tables", start);
  await stop();
  const joined = await joinBus(place);
  const { heard, tail } = listen(joined);
  const figures: Figures[] = [];
  try {
    await tail.ready;
    for (let round = 0; round < rounds; round += 1)
      await step(`Round ${round + 1} of ${rounds}`, async (line) => {
        const played = await playRound(joined, heard, round, start);
        await stop();
        figures.push(played);
        line.say(`${Math.round(played.tradesPerS).toLocaleString("en")} trades a second`);
      });
    return { figures, candles: await proveStored(joined, rounds) };
  } finally {
    await joined.close();
  }
}

/** Trades a second of `market.trades` into candles of seven time frames, stored and published. */
export async function benchCandles({ rounds }: { rounds: number }): Promise<void> {
  const place = { prefix: "r3edge-candles-", command: "bench candles" };
  const { figures, candles } = await inScratch(place, (scratch) => measure(scratch, rounds));
  const table = new Table({
    style: { head: [], border: [] },
    head: ["round", "trades/s", "bare fold, trades/s", "ratio"],
  });
  figures.forEach(({ tradesPerS, bareTradesPerS: bare }, index) => {
    const shown = [tradesPerS, bare].map((each) => Math.round(each).toLocaleString("en"));
    table.push([index + 1, ...shown, (tradesPerS / bare).toFixed(3)]);
  });
  const median = (of: (one: Figures) => number) => Math.round(quantile(figures.map(of), 0.5));
  const tradesPerS = median((one) => one.tradesPerS);
  const bare = median((one) => one.bareTradesPerS);
  const of = { instruments: INSTRUMENTS, timeFrames: FRAMES.length, trades: ROUND_TRADES, candles };
  process.stdout.write(
    `${ROUND_TRADES.toLocaleString("en")} trades of ${INSTRUMENTS} instruments a round, into ${FRAMES.join(" ")}\n`,
  );
  process.stdout.write(`${table.toString()}\n`);
  process.stdout.write(`${JSON.stringify({ tradesPerS, bareTradesPerS: bare, ...of, rounds: figures.length })}\n`);
}

import Table from "cli-table3";
import { makeDatabase } from "#local/make-database.ts";
import { step, Trouble } from "#local/say.ts";
import { inScratch, type Scratch } from "#local/scratch.ts";
import { startServers } from "#local/servers.ts";
import { addTrades, type FormingCandle, runsOf } from "#shared/candles/aggregate.ts";
import type { VenueTrade } from "#shared/domain/candle.ts";
import { candleOpenAtMs, type TimeFrame } from "#shared/domain/time-frame.ts";
import { event, MARKET_CANDLES, MARKET_TRADES } from "#shared/messages/topics.ts";
import { type JoinedBus, joinBus } from "./joined-bus.ts";
import { quantile } from "./quantile.ts";
import { startAlone } from "./start-alone.ts";

const FRAMES = ["1s", "1m", "5m", "15m", "1h", "4h", "1d"] as const satisfies readonly TimeFrame[];
const INSTRUMENTS = Array.from({ length: 100 }, (_, n) => `COIN${n}/USDT.bench`);
/** Of each instrument, in each second of the market. */
const TRADES_A_SECOND = 20;
/** Of the market, in one round. */
const SECONDS = 250;
const ROUND_TRADES = INSTRUMENTS.length * TRADES_A_SECOND * SECONDS;
/** Seconds of the market that are published before the candles of the first of them were heard: the stream holds more trades. */
const MOST_AHEAD = 20;
const WITHOUT_PROGRESS_MS = 30_000;
/** The market is a replay: its candles are not ended by the clock. */
const REPLAYED_MS = 86_400_000;
/** A trade before it opens no candle of any of these time frames: each series begins with a whole one. */
const BEGIN_MS = Date.UTC(2024, 0, 2);

/** The trades of one second of the market, of all instruments. Prices walk; sizes have eight decimals. */
function tradesOf(second: number): VenueTrade[] {
  const trades: VenueTrade[] = [];
  for (const [index, instrumentId] of INSTRUMENTS.entries())
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
async function addSeries({ db, bus }: JoinedBus): Promise<void> {
  const all = INSTRUMENTS.flatMap((id) => FRAMES.map((timeFrame) => ({ id, timeFrame })));
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

/** What has been published of the shortest candles: how many, of which each came once. */
function listen({ bus }: JoinedBus) {
  const newest = new Map<string, number>();
  const heard = { candles: 0, lastAtMs: 0, fault: null as string | null };
  const tail = bus.tail({
    topic: MARKET_CANDLES,
    from: "now",
    handle(events) {
      for (const { data } of events) {
        if (data.timeFrame !== "1s") continue;
        const last = newest.get(data.instrumentId) ?? 1;
        // The newest one is published again every second.
        if (data.n <= last) continue;
        if (data.n !== last + 1) heard.fault = `${data.instrumentId}: candle ${data.n} came after ${last}.`;
        newest.set(data.instrumentId, data.n);
        heard.candles += 1;
        heard.lastAtMs = performance.now();
      }
    },
  });
  return { heard, tail };
}

type Heard = ReturnType<typeof listen>["heard"];

async function untilHeard(heard: Heard, candles: number): Promise<void> {
  let sinceMs = performance.now();
  for (let before = heard.candles; heard.candles < candles; ) {
    await Bun.sleep(1);
    if (heard.fault !== null) throw new Trouble(heard.fault);
    if (heard.candles > before) [before, sinceMs] = [heard.candles, performance.now()];
    if (performance.now() - sinceMs > WITHOUT_PROGRESS_MS)
      throw new Trouble(`${heard.candles} of ${candles} candles have come, and no more do.`);
  }
}

/** Trades a second that the bare fold comes to: the same trades into the same time frames, nothing read, stored or told. */
function bareTradesPerS(fromSecond: number): number {
  const byInstrument = new Map<string, VenueTrade[]>();
  for (let second = 0; second < SECONDS; second += 1)
    for (const trade of tradesOf(fromSecond + second)) {
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

/** From the first trade's way out to the last candle that came back. A second's candles come with the trades of the next one. */
async function playRound(joined: JoinedBus, heard: Heard, round: number): Promise<Figures> {
  const fromSecond = round * SECONDS;
  const made = Array.from({ length: SECONDS }, (_, second) => tradesOf(fromSecond + second));
  const before = heard.candles;
  const beganMs = performance.now();
  for (const [second, trades] of made.entries()) {
    await joined.bus.publishVolatile(
      trades.map((trade) => event(MARKET_TRADES, trade.instrumentId, "market.trade", trade)),
    );
    if (second >= MOST_AHEAD) await untilHeard(heard, before + (second - MOST_AHEAD) * INSTRUMENTS.length);
  }
  // Of the very first round the last second has no trade behind it yet.
  await untilHeard(heard, before + (SECONDS - (round === 0 ? 1 : 0)) * INSTRUMENTS.length);
  const tradesPerS = (ROUND_TRADES * 1_000) / (heard.lastAtMs - beganMs);
  return { tradesPerS, bareTradesPerS: bareTradesPerS(fromSecond) };
}

/** Each minute has one candle of the series of minutes: what was heard of the seconds is stored for the longer ones too. */
async function proveStored({ db }: JoinedBus, rounds: number): Promise<number> {
  const rows = await db.sql<{ time_frame: TimeFrame; least: number; most: number; sum: string }[]>`
    select time_frame, min(head_n) as least, max(head_n) as most, sum(head_n) as sum from market_data.series group by time_frame`;
  const untilMs = BEGIN_MS + (rounds * SECONDS - 1) * 1_000;
  for (const frame of FRAMES) {
    const row = rows.find(({ time_frame }) => time_frame === frame);
    const own =
      frame === "1s"
        ? rounds * SECONDS - 1
        : Math.floor(
            (candleOpenAtMs(frame, untilMs) - BEGIN_MS) /
              (candleOpenAtMs(frame, BEGIN_MS) - candleOpenAtMs(frame, BEGIN_MS - 1)),
          );
    if (row?.least !== own + 1 || row.most !== own + 1)
      throw new Trouble(`Candles of ${frame}: ${row?.least} to ${row?.most} are stored, ${own + 1} were expected.`);
  }
  return rows.reduce((sum, row) => sum + Number(row.sum), 0) - INSTRUMENTS.length * FRAMES.length;
}

async function measure(scratch: Scratch, rounds: number) {
  const servers = await startServers(scratch.supervisor, scratch.data, { durable: true, given: {} });
  const databaseUrl = await makeDatabase(servers.databaseUrl, "r3_candles");
  const place = { DATABASE_URL: databaseUrl, REDIS_URL: servers.redisUrl, R3_PREFIX: "r3-candles" };
  await step("market-data", () => startAlone(scratch, "market-data", place));
  const joined = await joinBus(place);
  const { heard, tail } = listen(joined);
  const figures: Figures[] = [];
  try {
    await tail.ready;
    await addSeries(joined);
    for (let round = 0; round < rounds; round += 1)
      await step(`Round ${round + 1} of ${rounds}`, async (line) => {
        const played = await playRound(joined, heard, round);
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
  const of = { instruments: INSTRUMENTS.length, timeFrames: FRAMES.length, trades: ROUND_TRADES, candles };
  process.stdout.write(
    `${ROUND_TRADES.toLocaleString("en")} trades of ${INSTRUMENTS.length} instruments a round, into ${FRAMES.join(" ")}\n`,
  );
  process.stdout.write(`${table.toString()}\n`);
  process.stdout.write(`${JSON.stringify({ tradesPerS, bareTradesPerS: bare, ...of, rounds: figures.length })}\n`);
}

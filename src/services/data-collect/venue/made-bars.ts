import { mergeBars } from "#shared/candles/merge-bars.ts";
import type { VenueBar } from "#shared/domain/candle.ts";
import { candleOpenAtMs, madeFrom, type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";
import type { BarQuery, Exchanges, VenueMarketData } from "#shared/exchange/exchange.ts";

type Follow = Parameters<VenueMarketData["followBars"]>[0];

/** Bars asked of the venue at once, where longer ones are made from them. */
const PAGE = 1_000;
/** How many the newest ones may be made from: of a long time frame fewer are told at once than asked for, the newest of them. */
const MOST_MADE_FROM = 20_000;

/**
 * The venues with bars of every time frame that their own can make: what a venue has comes from the venue, other bars are made
 * from the longest of its bars that fit. One that is made is closed once the last bar in it is, or a later bar is there.
 */
export function withMadeBars<Markets extends Pick<Exchanges, "marketData">>(exchanges: Markets): Markets {
  return { ...exchanges, marketData: (venue) => madeMarket(exchanges.marketData(venue)) };
}

function madeMarket(market: VenueMarketData): VenueMarketData {
  return {
    venue: market.venue,
    instruments: () => market.instruments(),
    bars: async (query) => {
      const from = madeFrom(query.timeFrame, query.instrument.timeFrames);
      return from === null || from === query.timeFrame ? await market.bars(query) : await madeBars(market, query, from);
    },
    trades: (query) => market.trades(query),
    followBars: async (follow) => {
      const from = madeFrom(follow.timeFrame, follow.instrument.timeFrames);
      if (from === null || from === follow.timeFrame) await market.followBars(follow);
      else await followMade(market, follow, from);
    },
    quote: (instrument) => market.quote(instrument),
    followTrades: (follow) => market.followTrades(follow),
    followQuotes: (follow) => market.followQuotes(follow),
    close: () => market.close(),
  };
}

async function madeBars(market: VenueMarketData, query: BarQuery, from: TimeFrame): Promise<VenueBar[]> {
  const { afterMs, fromMs } = query;
  const lengthMs = timeFrameMs(query.timeFrame);
  if (afterMs !== undefined) return await barsFrom(market, query, { from, beginMs: afterMs + lengthMs });
  if (fromMs === undefined) return await newestBars(market, query, from);
  const openAtMs = candleOpenAtMs(query.timeFrame, fromMs);
  return await barsFrom(market, query, { from, beginMs: openAtMs < fromMs ? openAtMs + lengthMs : openAtMs });
}

/** Those that open at `beginMs`, where a bar of the time frame opens, or later. */
async function barsFrom(
  market: VenueMarketData,
  { timeFrame, limit, closedByMs, instrument }: BarQuery,
  { from, beginMs }: { from: TimeFrame; beginMs: number },
): Promise<VenueBar[]> {
  const series = { instrument, timeFrame: from, ...(closedByMs === undefined ? {} : { closedByMs }) };
  const maker = createMaker(timeFrame);
  let range: Pick<BarQuery, "fromMs" | "afterMs"> = { fromMs: Math.max(0, beginMs) };
  for (;;) {
    const page = await market.bars({ ...series, ...range, limit: PAGE });
    maker.take(page);
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE || maker.made.length >= limit) return maker.made.slice(0, limit);
    range = { afterMs: last.openAtMs };
  }
}

/** The newest that open before `toMs`. */
async function newestBars(
  market: VenueMarketData,
  { timeFrame, limit, toMs, closedByMs, instrument }: BarQuery,
  from: TimeFrame,
): Promise<VenueBar[]> {
  const series = { instrument, timeFrame: from, ...(closedByMs === undefined ? {} : { closedByMs }) };
  const lengthMs = timeFrameMs(timeFrame);
  const endMs = toMs === undefined ? undefined : candleOpenAtMs(timeFrame, toMs - 1) + lengthMs;
  const inOne = lengthMs / timeFrameMs(from);
  const count = Math.min(limit, Math.max(1, Math.floor(MOST_MADE_FROM / inOne)));
  // Two more: the first may be cut, and the last may be forming. Where these are all that the venue has, none is cut.
  const range = { limit: inOne * (count + 2), ...(endMs === undefined ? {} : { toMs: endMs }) };
  const told = await market.bars({ ...series, ...range });
  // Whether one behind the last is there, which then is over whatever is missing at its end.
  const later = endMs === undefined ? [] : await market.bars({ ...series, fromMs: endMs, limit: 1 });
  const maker = createMaker(timeFrame);
  maker.take([...told, ...later]);
  return maker.made.filter(({ openAtMs }) => endMs === undefined || openAtMs < endMs).slice(-count);
}

/** Makes bars of the shorter ones that it is given in order, each with the one before it, once they are over. */
function createMaker(timeFrame: TimeFrame): { readonly made: VenueBar[]; take(bars: readonly VenueBar[]): void } {
  const made: VenueBar[] = [];
  let parts: VenueBar[] = [];
  function close(): void {
    const [first, ...others] = parts;
    parts = [];
    if (first === undefined) return;
    const { prevOpenAtMs } = first;
    const before = prevOpenAtMs === null ? null : candleOpenAtMs(timeFrame, prevOpenAtMs);
    made.push({ ...mergeBars(timeFrame, [first, ...others]), prevOpenAtMs: before });
  }
  return {
    made,
    take(bars) {
      for (const bar of bars) {
        const [first] = parts;
        if (
          first !== undefined &&
          candleOpenAtMs(timeFrame, first.openAtMs) !== candleOpenAtMs(timeFrame, bar.openAtMs)
        )
          close();
        parts.push(bar);
        if (isLastOf(timeFrame, bar)) close();
      }
    },
  };
}

/**
 * Makes a bar of frames where each bar in it was seen, from its first to its last. Where one was not, `onConnected` says that a
 * hole may have opened: the list then tells the bar.
 */
async function followMade(market: VenueMarketData, follow: Follow, from: TimeFrame): Promise<void> {
  const { timeFrame, onBar, onConnected } = follow;
  let seen: VenueBar[] = [];
  const take = (bar: VenueBar): void => {
    const last = seen.at(-1);
    if (last !== undefined && bar.openAtMs <= last.openAtMs) return;
    const openAtMs = candleOpenAtMs(timeFrame, bar.openAtMs);
    const isCutBefore = last !== undefined && last.openAtMs < openAtMs && !isLastOf(timeFrame, last);
    if (last === undefined || last.openAtMs < openAtMs) seen = [bar];
    else seen.push(bar);
    if (!isLastOf(timeFrame, bar)) {
      if (isCutBefore) onConnected();
      return;
    }
    const [first, ...others] = seen;
    if (first === undefined || !isWhole(openAtMs, seen)) onConnected();
    else onBar(mergeBars(timeFrame, [first, ...others]));
  };
  await market.followBars({ ...follow, timeFrame: from, onBar: take, onUnusable: () => onConnected() });
}

function isLastOf(timeFrame: TimeFrame, bar: VenueBar): boolean {
  return bar.closeAtMs === candleOpenAtMs(timeFrame, bar.openAtMs) + timeFrameMs(timeFrame);
}

function isWhole(openAtMs: number, bars: readonly VenueBar[]): boolean {
  return bars.every((bar, index) => bar.openAtMs === (index === 0 ? openAtMs : bars[index - 1]?.closeAtMs));
}

import type { z } from "zod";
import { barLinkOf } from "#shared/candles/bar-order.ts";
import { type VenueBar, type VenueTrade, venueBarSchema, venueTradeSchema } from "#shared/domain/candle.ts";
import type { Exchanges, VenueMarketData } from "#shared/exchange/exchange.ts";

/** Called with a bar that no event can carry, as one with a price of zero, and with what is wrong with it. */
export type OnRefused = (bar: VenueBar, reason: string) => void;

/** The venues without the bars and listed trades that no event can carry: one of them would hold up all that come behind it. */
export function usableMarket<Markets extends Pick<Exchanges, "marketData">>(
  exchanges: Markets,
  onRefused: OnRefused,
): Markets {
  return { ...exchanges, marketData: (venue) => usable(exchanges.marketData(venue), onRefused) };
}

function usable(market: VenueMarketData, onRefused: OnRefused): VenueMarketData {
  const isUsable = (bar: VenueBar): boolean => {
    const reason = faultOf(venueBarSchema, bar);
    if (reason !== null) onRefused(bar, reason);
    return reason === null;
  };
  return {
    venue: market.venue,
    instruments: () => market.instruments(),
    bars: async (query) => {
      let told = await market.bars(query);
      let left = linked(told, isUsable);
      const { fromMs, ...rest } = query;
      let isFull = told.length >= query.limit && (query.afterMs ?? fromMs) !== undefined;
      // A page that is not full would be taken for the last one.
      for (let last = told.at(-1); isFull && last !== undefined && left.length < query.limit; last = told.at(-1)) {
        const limit = query.limit - left.length;
        const page = await market.bars({ ...rest, afterMs: last.openAtMs, limit });
        isFull = page.length >= limit;
        told = [...told, ...page];
        left = linked(told, isUsable);
      }
      return left;
    },
    trades: async (query) => (await market.trades(query)).filter((trade) => isTrade(trade)),
    followBars: (follow) =>
      market.followBars({
        ...follow,
        onBar: (bar) => {
          if (isUsable(bar)) follow.onBar(bar);
          else follow.onUnusable?.(bar);
        },
      }),
    quote: (instrument) => market.quote(instrument),
    followTrades: (follow) => market.followTrades(follow),
    followQuotes: (follow) => market.followQuotes(follow),
    close: () => market.close(),
  };
}

/** Leaves bars out; the one behind names the one before them. */
function linked(bars: readonly VenueBar[], isUsable: (bar: VenueBar) => boolean): VenueBar[] {
  const left: VenueBar[] = [];
  let before: Pick<VenueBar, "openAtMs" | "prevOpenAtMs"> | null = null;
  for (const bar of bars) {
    const prevOpenAtMs: number | null =
      before !== null && barLinkOf(before.openAtMs, bar) === "next" ? before.prevOpenAtMs : bar.prevOpenAtMs;
    before = null;
    if (isUsable(bar)) left.push({ ...bar, prevOpenAtMs });
    else before = { openAtMs: bar.openAtMs, prevOpenAtMs };
  }
  return left;
}

function isTrade(trade: VenueTrade): boolean {
  return faultOf(venueTradeSchema, trade) === null;
}

function faultOf(schema: z.ZodType, value: unknown): string | null {
  const { error } = schema.safeParse(value);
  return error?.issues.map(({ path, message }) => `${path.join(".")} ${message}`).join("; ") ?? null;
}

import type { TimeFrame } from "#shared/domain/time-frame.ts";
import type { Exchanges, VenueMarketData } from "#shared/exchange/exchange.ts";

type Follow = Parameters<VenueMarketData["followBars"]>[0];

/** One stream of the venue, and who follows it. */
interface Stream {
  readonly followers: Set<Follow>;
  /** Aborts when the connection is to be made anew, or ends. */
  link: AbortController;
  isAcknowledged: boolean;
  ended: Promise<void>;
}

/**
 * The venues with one subscription a stream of bars, however many follow it: bars that are made from it, and its own. Who leaves
 * may do so because the stream is silent: it is made anew for those that stay.
 */
export function withSharedBars<Markets extends Pick<Exchanges, "marketData">>(exchanges: Markets): Markets {
  const shared = new Map<string, VenueMarketData>();
  return {
    ...exchanges,
    marketData(venue) {
      const known = shared.get(venue) ?? sharedMarket(exchanges.marketData(venue));
      shared.set(venue, known);
      return known;
    },
  };
}

function sharedMarket(market: VenueMarketData): VenueMarketData {
  const streams = new Map<string, Stream>();

  async function run(
    stream: Stream,
    { instrument, timeFrame }: Pick<Follow, "instrument" | "timeFrame">,
  ): Promise<void> {
    const each = (tell: (one: Follow) => void): void => {
      for (const one of stream.followers) tell(one);
    };
    while (stream.followers.size > 0) {
      stream.link = new AbortController();
      stream.isAcknowledged = false;
      await market.followBars({
        instrument,
        timeFrame,
        signal: stream.link.signal,
        onBar: (bar) => each((one) => one.onBar(bar)),
        onUnusable: (bar) => each((one) => one.onUnusable?.(bar)),
        onAlive: () => each((one) => one.onAlive()),
        onConnected: () => {
          stream.isAcknowledged = true;
          each((one) => one.onConnected());
        },
      });
    }
  }

  function open(key: string, follow: Follow): Stream {
    const followers = new Set<Follow>([follow]);
    const stream: Stream = { followers, link: new AbortController(), isAcknowledged: false, ended: Promise.resolve() };
    streams.set(key, stream);
    stream.ended = run(stream, follow).finally(() => {
      if (streams.get(key) === stream) streams.delete(key);
    });
    return stream;
  }

  function join(key: string, follow: Follow): Stream {
    const stream = streams.get(key);
    if (stream === undefined || stream.followers.size === 0) return open(key, follow);
    stream.followers.add(follow);
    if (stream.isAcknowledged) follow.onConnected();
    return stream;
  }

  return {
    venue: market.venue,
    instruments: () => market.instruments(),
    bars: (query) => market.bars(query),
    trades: (query) => market.trades(query),
    async followBars(follow) {
      if (follow.signal.aborted) return;
      const stream = join(keyOf(follow.instrument.id, follow.timeFrame), follow);
      const { promise: aborted, resolve } = Promise.withResolvers<void>();
      follow.signal.addEventListener("abort", () => resolve(), { once: true });
      try {
        await Promise.race([aborted, stream.ended]);
      } finally {
        stream.followers.delete(follow);
        stream.link.abort();
      }
      if (stream.followers.size === 0) await stream.ended;
    },
    quote: (instrument) => market.quote(instrument),
    followTrades: (follow) => market.followTrades(follow),
    followQuotes: (follow) => market.followQuotes(follow),
    close: () => market.close(),
  };
}

function keyOf(instrumentId: string, timeFrame: TimeFrame): string {
  return `${instrumentId} ${timeFrame}`;
}

import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import type { Quote, VenueBar, VenueTrade } from "#shared/domain/candle.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import type { VenueRequest } from "./binance-connection.ts";
import { askFailed, notUnderstood } from "./binance-failures.ts";
import type { LazyConnection } from "./binance-lazy-connection.ts";
import {
  type BarPrices,
  barsOf,
  closedBarOf,
  type FeesBySymbol,
  feesOf,
  instrumentsOf,
  quoteAnswerOf,
  quoteOf,
  serverTimeOf,
  tradeOf,
  tradesOf,
} from "./binance-mapping.ts";
import { klineStream, quoteStream, tradeStream } from "./binance-streams.ts";
import type { BarQuery, VenueMarketData } from "./exchange.ts";

export interface MarketDataOptions {
  venue: string;
  connection: LazyConnection;
  /** Whether the connection has a key: then the account's own fees are asked for. */
  hasKey: boolean;
  clock: Clock;
  log: Logger;
}

/** Of an answer that took longer than this nobody knows when it was made, in milliseconds. */
const MEASURED_WITHIN_MS = 1_000;
/** Binance gives at most so many rows in one answer. */
const PAGE = 1_000;

interface Klines {
  instrument: Instrument;
  timeFrame: TimeFrame;
  startTime?: number;
  endTime?: number;
  limit: number;
}

/** The public side of a Binance. */
export class BinanceMarketData implements VenueMarketData {
  readonly venue: string;
  readonly #connection: LazyConnection;
  readonly #hasKey: boolean;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** What was said of symbols that are left out; each is said once. */
  readonly #told = new Set<string>();
  /** What the venue's clock said last, and when that was, monotonic: our wall clock may be set meanwhile. Null: it was not asked. */
  #measured: { serverMs: number; monotonicMs: number } | null = null;

  constructor({ venue, connection, hasKey, clock, log }: MarketDataOptions) {
    this.venue = venue;
    this.#connection = connection;
    this.#hasKey = hasKey;
    this.#clock = clock;
    this.#log = log;
  }

  async instruments(): Promise<Instrument[]> {
    const fees = await this.#fees();
    const request: VenueRequest = { api: "public", method: "GET", path: "exchangeInfo" };
    const { instruments, leftOut } = await this.#ask(request, "its instruments", (body) =>
      instrumentsOf(body, this.venue, fees),
    );
    for (const one of leftOut) {
      const said = `${one.symbol}: ${one.reason}`;
      if (this.#told.has(said)) continue;
      this.#told.add(said);
      this.#log.warn({ venue: this.venue, ...one }, "a symbol cannot be traded here and is left out");
    }
    return instruments;
  }

  /** A venue that has no such endpoint, or no key to ask it with, takes the default fee. */
  async #fees(): Promise<FeesBySymbol> {
    if (!this.#hasKey) return new Map();
    const answer = await this.#connection.send({ api: "sapi", method: "GET", path: "asset/tradeFee" });
    if (answer.kind === "refused") return new Map();
    if (answer.kind !== "answer") throw askFailed(this.venue, "its fees", answer);
    return feesOf(answer.body);
  }

  async bars(query: BarQuery): Promise<VenueBar[]> {
    const { afterMs, fromMs, toMs, closedByMs, limit, ...series } = query;
    // Asked before the bars: a bar that ends before this moment was closed when they were told.
    const serverMs = closedByMs ?? (await this.#serverTimeMs());
    const rows =
      afterMs !== undefined
        ? await this.#after(series, afterMs, limit)
        : fromMs !== undefined
          ? await this.#from(series, fromMs, limit)
          : await this.#newest(series, toMs, limit);
    const receivedAtMs = this.#clock.stampMs();
    const bars: VenueBar[] = [];
    let previous: BarPrices | undefined = rows.before;
    for (const row of rows.bars) {
      if (row.closeAtMs > serverMs) break;
      const prevOpenAtMs = previous?.openAtMs ?? null;
      bars.push({
        instrumentId: series.instrument.id,
        timeFrame: series.timeFrame,
        ...row,
        prevOpenAtMs,
        receivedAtMs,
      });
      previous = row;
    }
    return (afterMs ?? fromMs) === undefined ? bars.slice(-limit) : bars.slice(0, limit);
  }

  /** The newest bars that open before `toMs`, the forming one among them, and the one before the first of them. */
  async #newest(
    series: Omit<Klines, "limit">,
    toMs: number | undefined,
    limit: number,
  ): Promise<{ before?: BarPrices; bars: BarPrices[] }> {
    // Two more: the link of the first, and the forming one.
    const wanted = limit + 2;
    let bars: BarPrices[] = [];
    while (bars.length < wanted) {
      const endMs = bars[0]?.openAtMs ?? toMs;
      const page = await this.#klines({
        ...series,
        limit: Math.min(PAGE, wanted - bars.length),
        ...(endMs === undefined ? {} : { endTime: endMs - 1 }),
      });
      if (page.length === 0) return { bars };
      bars = [...page, ...bars];
    }
    const [before, ...rest] = bars;
    return before === undefined ? { bars } : { before, bars: rest };
  }

  /** One question where the venue still lists the bar that opened at `afterMs`: it is the link of the first behind it. */
  async #after(
    series: Omit<Klines, "limit">,
    afterMs: number,
    limit: number,
  ): Promise<{ before?: BarPrices; bars: BarPrices[] }> {
    const size = Math.min(PAGE, limit + 1);
    const [first, ...others] = await this.#klines({ ...series, startTime: afterMs, limit: size });
    if (first === undefined) return { bars: [] };
    if (first.openAtMs !== afterMs) return await this.#from(series, afterMs + 1, limit);
    const last = others.at(-1);
    if (last === undefined || others.length + 1 < size || others.length >= limit)
      return { before: first, bars: others };
    const more = await this.#after(series, last.openAtMs, limit - others.length);
    return { before: first, bars: [...others, ...more.bars] };
  }

  async #from(
    series: Omit<Klines, "limit">,
    fromMs: number,
    limit: number,
  ): Promise<{ before?: BarPrices; bars: BarPrices[] }> {
    const bars: BarPrices[] = [];
    let startTime = fromMs;
    while (bars.length < limit) {
      const size = Math.min(PAGE, limit - bars.length);
      const page = await this.#klines({ ...series, startTime, limit: size });
      bars.push(...page);
      const last = page.at(-1);
      if (last === undefined || page.length < size) break;
      startTime = last.openAtMs + 1;
    }
    if (bars.length === 0 || fromMs <= 0) return { bars };
    const [before] = await this.#klines({ ...series, endTime: fromMs - 1, limit: 1 });
    return before === undefined ? { bars } : { before, bars };
  }

  async #klines({ instrument, timeFrame, startTime, endTime, limit }: Klines): Promise<BarPrices[]> {
    const params = {
      symbol: instrument.venueSymbol,
      interval: timeFrame,
      limit,
      ...(startTime === undefined ? {} : { startTime }),
      ...(endTime === undefined ? {} : { endTime }),
    };
    return await this.#ask({ api: "public", method: "GET", path: "klines", params }, "bars", barsOf);
  }

  /** The time by the venue's clock, as measured when bars were listed last. Before the first list: by ours. */
  nowMs(): number {
    if (this.#measured === null) return this.#clock.nowMs();
    const { serverMs, monotonicMs } = this.#measured;
    return Math.round(serverMs + this.#clock.monotonicMs() - monotonicMs);
  }

  async #serverTimeMs(): Promise<number> {
    const askedAtMs = this.#clock.monotonicMs();
    const serverMs = await this.#ask({ api: "public", method: "GET", path: "time" }, "its time", serverTimeOf);
    const monotonicMs = this.#clock.monotonicMs();
    const tookMs = monotonicMs - askedAtMs;
    if (tookMs <= MEASURED_WITHIN_MS) this.#measured = { serverMs: serverMs + tookMs / 2, monotonicMs };
    return serverMs;
  }

  async trades(query: { instrument: Instrument; fromId?: string; limit: number }): Promise<VenueTrade[]> {
    const { instrument, fromId, limit } = query;
    const params = { symbol: instrument.venueSymbol, limit: Math.min(limit, PAGE) };
    const request: VenueRequest =
      fromId === undefined
        ? { api: "public", method: "GET", path: "trades", params }
        : { api: "public", method: "GET", path: "historicalTrades", params: { ...params, fromId } };
    return await this.#ask(request, "trades", (body) => tradesOf(body, instrument.id, this.#clock.stampMs()));
  }

  async quote(instrument: Instrument): Promise<Quote> {
    const params = { symbol: instrument.venueSymbol };
    const request: VenueRequest = { api: "public", method: "GET", path: "ticker/bookTicker", params };
    return await this.#ask(request, "best bid and ask", (body) =>
      quoteAnswerOf(body, instrument.id, this.#clock.stampMs()),
    );
  }

  async followBars(follow: Parameters<VenueMarketData["followBars"]>[0]): Promise<void> {
    const { instrument, timeFrame, signal, onBar, onAlive, onConnected } = follow;
    await this.#connection.followStream({
      stream: klineStream(instrument.venueSymbol, timeFrame),
      signal,
      onConnected,
      onFrame: (frame) => {
        const receivedAtMs = this.#clock.stampMs();
        onAlive();
        const bar = closedBarOf(frame);
        // A frame does not name the bar before it: who follows knows which one came last.
        if (bar !== null) onBar({ instrumentId: instrument.id, timeFrame, ...bar, prevOpenAtMs: null, receivedAtMs });
      },
    });
  }

  async followTrades(follow: Parameters<VenueMarketData["followTrades"]>[0]): Promise<void> {
    const { instrument, signal, onTrades, onConnected } = follow;
    await this.#connection.followStream({
      stream: tradeStream(instrument.venueSymbol),
      signal,
      onConnected,
      onFrame: (frame) => onTrades([tradeOf(frame, instrument.id, this.#clock.stampMs())]),
    });
  }

  async followQuotes(follow: Parameters<VenueMarketData["followQuotes"]>[0]): Promise<void> {
    const { instrument, signal, onQuote, onConnected } = follow;
    await this.#connection.followStream({
      stream: quoteStream(instrument.venueSymbol),
      signal,
      onConnected,
      onFrame: (frame) => onQuote(quoteOf(frame, instrument.id, this.#clock.stampMs())),
    });
  }

  async #ask<Told>(request: VenueRequest, what: string, read: (body: unknown) => Told): Promise<Told> {
    const answer = await this.#connection.send(request);
    if (answer.kind !== "answer") throw askFailed(this.venue, what, answer);
    try {
      return read(answer.body);
    } catch (cause) {
      throw notUnderstood(this.venue, what, cause);
    }
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

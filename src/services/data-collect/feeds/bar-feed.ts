import type { Logger } from "pino";
import { chainFrames } from "#shared/candles/bar-order.ts";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";
import type { VenueBar } from "#shared/domain/candle.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { BarQuery, Exchanges } from "#shared/exchange/exchange.ts";
import { event, MARKET_BARS } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";
import { askUntilTold } from "./ask-until-told.ts";
import type { Silence } from "./silence.ts";

export interface BarFeedOptions {
  deps: Pick<Deps, "bus" | "clock" | "failpoints"> & { exchanges: Pick<Exchanges, "marketData"> };
  log: Logger;
  instrument: Instrument;
  timeFrame: TimeFrame;
  /** Of the series: it knows also of the time before this feed began. */
  silence: Silence;
  signal: AbortSignal;
}

/** Bars asked for at once when a hole is closed. */
const PAGE = 999;
/** More days than any market has seen: to count them. */
const ALL_DAYS = 50_000;
/** Frames that may wait at most. When they are more, the venue's list is the shorter way to them. */
const MOST_WAITING = 1_000;
const ASK_AGAIN: Backoff = { firstMs: 50, longestMs: 2_000 };

/**
 * The closed bars of one series, from the venue's frames to `market.bars`, in order (`bar-order.ts`). A frame that does not
 * open where the last bar closed waits, with all behind it. The venue's list is asked until it has told what lies between.
 */
export class BarFeed {
  readonly #options: BarFeedOptions;
  readonly #silence: Silence;
  #last: VenueBar | null = null;
  /** Number of `#last` among the venue's bars, from 1. Only days are few enough to count. */
  #number: number | null = null;
  /** Frames that wait for the venue's list, in order; null: it is not being asked. */
  #waiting: VenueBar[] | null = null;
  /** Grows with each question: an earlier one stops. */
  #asking = 0;
  /** Aborts with the failure of a question. */
  readonly #failing = new AbortController();
  readonly #ending: AbortSignal;
  /** Aborted to make the connection anew. */
  #link = new AbortController();

  constructor(options: BarFeedOptions) {
    this.#options = options;
    this.#silence = options.silence;
    this.#ending = AbortSignal.any([options.signal, this.#failing.signal]);
  }

  /** Follows until the signal aborts; rejects when the venue refuses to tell the bars, since then no frame could go out. */
  async run(): Promise<void> {
    const { deps, instrument, timeFrame, signal } = this.#options;
    this.#ask();
    while (!this.#ending.aborted) {
      this.#link = new AbortController();
      this.#silence.subscribing();
      await deps.exchanges.marketData(instrument.venue).followBars({
        instrument,
        timeFrame,
        signal: AbortSignal.any([this.#ending, this.#link.signal]),
        onBar: (bar) => this.#onBar(bar),
        onUnusable: ({ closeAtMs }) => this.#silence.wentOut(closeAtMs),
        onAlive: () => this.#silence.heard(),
        onConnected: () => {
          this.#silence.acknowledged();
          this.#ask();
        },
      });
    }
    if (!signal.aborted) this.#failing.signal.throwIfAborted();
  }

  /** Publishes the newest bar again, so that the loss of its first message is noticed. */
  repeat(): void {
    if (this.#last !== null) this.#publish(this.#last);
  }

  /**
   * Looks whether a bar is overdue. Then the venue's list is asked; if it has a bar that no frame brought, the connection is
   * made anew.
   */
  look(): void {
    if (this.#silence.isOverdue() && this.#waiting === null) this.#ask(true);
  }

  #onBar(bar: VenueBar): void {
    if (this.#waiting === null) {
      const { ready, waiting } = chainFrames(this.#last, [bar]);
      for (const one of ready) this.#accept(one);
      if (waiting.length === 0) return;
      this.#ask();
    }
    this.#waiting ??= [];
    // What does not fit in is on the venue's list: the newest one says up to where.
    if (this.#waiting.length >= MOST_WAITING) this.#waiting = [];
    this.#waiting.push(bar);
  }

  /** Asks the venue's list, until every frame that waits is told by it or follows what it told. */
  #ask(isOverdue = false): void {
    this.#asking += 1;
    this.#waiting ??= [];
    const asking = this.#asking;
    const isOver = (): boolean => asking !== this.#asking || this.#ending.aborted;
    this.#askUntilWhole(isOver, isOverdue).catch((error: unknown) => {
      if (!isOver()) this.#failing.abort(error);
    });
  }

  async #askUntilWhole(isOver: () => boolean, isOverdue: boolean): Promise<void> {
    const { clock } = this.#options.deps;
    const before = this.#last;
    for (let questions = 1; ; questions += 1) {
      if (this.#last === null) await this.#readNewest(isOver);
      else await this.#readAfter(this.#last, isOver);
      if (isOver()) return;
      const { ready, waiting } = chainFrames(this.#last, this.#waiting ?? []);
      for (const one of ready) this.#accept(one);
      this.#waiting = waiting;
      if (waiting.length === 0) break;
      await clock.sleep(backoffMs(ASK_AGAIN, questions), this.#ending);
      if (isOver()) return;
    }
    this.#waiting = null;
    if (isOverdue && this.#last !== before) this.#connectAnew();
  }

  /** The list has what no frame brought: the stream is silent, whatever its pings say. */
  #connectAnew(): void {
    if (!this.#silence.mayConnect()) return;
    const { log, instrument, timeFrame } = this.#options;
    log.warn({ instrumentId: instrument.id, timeFrame }, "stream is silent, connecting again");
    this.#link.abort();
  }

  async #readNewest(isOver: () => boolean): Promise<void> {
    const counts = this.#options.timeFrame === "1d" && this.#options.instrument.timeFrames.includes("1d");
    const bars = await this.#bars(counts ? { fromMs: 0, limit: ALL_DAYS } : { limit: 1 });
    if (isOver()) return;
    const newest = bars.at(-1);
    if (counts) this.#number = Math.max(bars.length - 1, 0);
    if (newest !== undefined) this.#accept(newest);
  }

  async #readAfter(last: VenueBar, isOver: () => boolean): Promise<void> {
    for (let afterMs = last.openAtMs; ; ) {
      // What a frame has told is closed: then the venue's time says nothing new.
      const told = this.#waiting?.at(-1)?.closeAtMs;
      const closedBy = told === undefined ? {} : { closedByMs: told };
      const bars = await this.#bars({ afterMs, limit: PAGE, ...closedBy });
      if (isOver()) return;
      for (const bar of bars) this.#accept(bar);
      const newest = bars.at(-1);
      if (newest === undefined || bars.length < PAGE) return;
      afterMs = newest.openAtMs;
    }
  }

  async #bars(range: Omit<BarQuery, "instrument" | "timeFrame">): Promise<VenueBar[]> {
    const { deps, instrument, timeFrame, log } = this.#options;
    const market = deps.exchanges.marketData(instrument.venue);
    return await askUntilTold(() => market.bars({ instrument, timeFrame, ...range }), { signal: this.#ending, log });
  }

  #accept(bar: VenueBar): void {
    if (this.#last !== null && bar.openAtMs <= this.#last.openAtMs) return;
    this.#last = bar;
    this.#silence.wentOut(bar.closeAtMs);
    if (this.#number !== null) this.#number += 1;
    this.#options.deps.failpoints.hit("data-collect.bar-received", this.#number === null ? {} : { bar: this.#number });
    this.#publish(bar);
  }

  #publish(bar: VenueBar): void {
    const { deps, log } = this.#options;
    deps.bus
      .publishVolatile([event(MARKET_BARS, bar.instrumentId, "market.bar", bar)])
      .catch((error: unknown) => log.warn({ reason: messageOf(error) }, "bar not published, it will be repeated"));
  }
}

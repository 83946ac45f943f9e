import type { Logger } from "pino";
import type { VenueBar } from "#shared/domain/candle.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { event, MARKET_BARS } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";
import { askUntilTold } from "./ask-until-told.ts";

export interface BarFeedOptions {
  deps: Pick<Deps, "bus" | "clock" | "exchanges" | "failpoints">;
  log: Logger;
  instrument: Instrument;
  timeFrame: TimeFrame;
  signal: AbortSignal;
}

/** Bars asked for at once when a hole is closed. */
const PAGE = 1_000;
/** More days than any market has seen: to count them. */
const ALL_DAYS = 50_000;
/** Frames that may wait at most. When they are more, the venue's list is the shorter way to them. */
const MOST_WAITING = 1_000;

/**
 * The closed bars of one series, from the venue's frames to `market.bars`. A frame does not name the bar before it; the
 * chain is made here, and it holds because after each connection the hole is closed by REST before any frame goes out.
 */
export class BarFeed {
  readonly #options: BarFeedOptions;
  #last: VenueBar | null = null;
  /** Number of `#last` among the venue's bars, from 1. Only days are few enough to count. */
  #number: number | null = null;
  /** Frames that came while a hole is being closed; null: none is. */
  #waiting: VenueBar[] | null = [];
  /** Frames have been dropped since the venue was last asked: its list has them. */
  #dropped = false;
  /** Grows with each connection: a catch-up of an earlier one stops. */
  #connection = 0;
  /** Aborts with the failure of a catch-up. */
  readonly #failing = new AbortController();
  readonly #ending: AbortSignal;

  constructor(options: BarFeedOptions) {
    this.#options = options;
    this.#ending = AbortSignal.any([options.signal, this.#failing.signal]);
  }

  /** Follows until the signal aborts; rejects when the venue refuses to tell the bars, since then no frame could go out. */
  async run(): Promise<void> {
    const { deps, instrument, timeFrame, signal } = this.#options;
    await deps.exchanges.marketData(instrument.venue).followBars({
      instrument,
      timeFrame,
      signal: this.#ending,
      onBar: (bar) => this.#onBar(bar),
      onConnected: () => {
        this.#catchUp().catch((error: unknown) => this.#failing.abort(error));
      },
    });
    if (!signal.aborted) this.#failing.signal.throwIfAborted();
  }

  /** Publishes the newest bar again, so that the loss of its first message is noticed. */
  repeat(): void {
    if (this.#last !== null) this.#publish(this.#last);
  }

  #onBar(bar: VenueBar): void {
    if (this.#waiting === null) {
      this.#accept({ ...bar, prevOpenAtMs: this.#last?.openAtMs ?? null });
      return;
    }
    if (this.#waiting.length >= MOST_WAITING) {
      this.#waiting = [];
      this.#dropped = true;
    }
    this.#waiting.push(bar);
  }

  async #catchUp(): Promise<void> {
    this.#connection += 1;
    const connection = this.#connection;
    this.#waiting ??= [];
    const isStale = (): boolean => connection !== this.#connection || this.#ending.aborted;
    do {
      // What is dropped from here on may be missing in the answer, and is asked for again.
      this.#dropped = false;
      if (this.#last === null) await this.#readNewest(isStale);
      else await this.#closeHole(this.#last.openAtMs, isStale);
      if (isStale()) return;
    } while (this.#dropped);
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const bar of waiting) this.#accept({ ...bar, prevOpenAtMs: this.#last?.openAtMs ?? null });
  }

  async #readNewest(isStale: () => boolean): Promise<void> {
    const counts = this.#options.timeFrame === "1d";
    const bars = await this.#bars(counts ? { fromMs: 0, limit: ALL_DAYS } : { limit: 1 });
    if (isStale()) return;
    const newest = bars.at(-1);
    if (counts) this.#number = Math.max(bars.length - 1, 0);
    if (newest !== undefined) this.#accept(newest);
  }

  async #closeHole(lastOpenAtMs: number, isStale: () => boolean): Promise<void> {
    for (let fromMs = lastOpenAtMs + 1; ; ) {
      const bars = await this.#bars({ fromMs, limit: PAGE });
      if (isStale()) return;
      for (const bar of bars) this.#accept(bar);
      const newest = bars.at(-1);
      if (newest === undefined || bars.length < PAGE) return;
      fromMs = newest.openAtMs + 1;
    }
  }

  async #bars(range: { fromMs?: number; limit: number }): Promise<VenueBar[]> {
    const { deps, instrument, timeFrame, log } = this.#options;
    const market = deps.exchanges.marketData(instrument.venue);
    return await askUntilTold(() => market.bars({ instrument, timeFrame, ...range }), { signal: this.#ending, log });
  }

  #accept(bar: VenueBar): void {
    if (this.#last !== null && bar.openAtMs <= this.#last.openAtMs) return;
    this.#last = bar;
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

import type { Logger } from "pino";
import { tradeIdAfter, tradeLinkOf } from "#shared/candles/trade-ids.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { VenueTrade } from "#shared/domain/candle.ts";
import type { DataCollectClient } from "#shared/http/clients.ts";
import type { CandleWriter } from "./candle-writer.ts";
import type { KeptSeries } from "./kept-series.ts";
import type { Series } from "./series.ts";
import { beginsAnew, formingCandle, isOver, NO_PROGRESS, stepTrade, type TradeProgress } from "./trade-series.ts";
import type { Turns } from "./turns.ts";

export interface TradeKeeperOptions {
  kept: KeptSeries;
  writer: CandleWriter;
  dataCollect: DataCollectClient;
  turns: Turns;
  clock: Clock;
  log: Logger;
  /** How long after its end a candle is waited for, by the venue's clock: trades of its last moment are on their way. */
  graceMs: number;
  /** Tells a person of something about an instrument's trades. */
  tell: (what: TradeTrouble, series: Series, trade: VenueTrade) => Promise<void>;
}

/** What may be wrong with trades. */
export type TradeTrouble = "LATE_TRADES" | "TRADE_IDS_BEGAN_ANEW";

/** Trades asked for at once when a hole is closed. */
const PAGE = 1_000;
/** A hole of more pages is closed with the venue's bars. */
const MOST_PAGES = 50;

/**
 * Makes candles of trades. What is in memory can always be made again: each stored candle carries its last trade, and
 * behind it the venue tells all trades once more.
 */
export class TradeKeeper {
  readonly #options: TradeKeeperOptions;
  readonly #progress = new Map<string, Map<string, TradeProgress>>();

  constructor(options: TradeKeeperOptions) {
    this.#options = options;
  }

  /**
   * Takes trades of one instrument in, in order of their ids. Where the venue's bars make the closed candles, the forming
   * one is published before anything else: nothing is stored for it.
   */
  async keep(trades: readonly VenueTrade[]): Promise<void> {
    const [first] = trades;
    if (first === undefined) return;
    const { kept, turns } = this.#options;
    const { instrumentId } = first;
    const all = await kept.of(instrumentId);
    const forming = all.filter((series) => series.source === "bars" && series.forming);
    const holed = forming.filter((series) => this.#hasHole(series, trades));
    const unbroken = forming.filter((series) => !holed.includes(series));
    for (const series of unbroken) this.#keepForming(series, trades);
    this.#publishForming(unbroken);
    if (holed.length > 0) {
      await turns.take(instrumentId, async () => {
        for (const series of holed) this.#keepForming(series, await this.#withMissing(series, trades));
        this.#publishForming(holed);
      });
    }
    const whole = all.filter(({ source }) => source === "trades");
    if (whole.length === 0) return;
    await turns.take(instrumentId, async () => {
      for (const series of whole) await this.#keepWhole(series, trades);
      const present = await kept.of(instrumentId);
      this.#publishForming(present.filter((series) => series.source === "trades" && series.forming));
    });
  }

  #publishForming(all: readonly Series[]): void {
    const candles = all.map((series) => formingCandle(series, this.#get(series))).filter((candle) => candle !== null);
    if (candles.length > 0) this.#options.writer.publish(candles);
  }

  /** Closes what the clock says is over, after the venue was asked whether a trade is missing. */
  async closeByClock(instrumentId: string): Promise<void> {
    for (const series of await this.#options.kept.of(instrumentId)) {
      if (series.source !== "trades" || !this.#isOver(series)) continue;
      await this.#options.turns.take(instrumentId, () => this.#closeOver(series));
    }
  }

  #isOver(series: Series): boolean {
    const progress = this.#get(series);
    return progress.isWhole && isOver(progress, this.#options.clock.nowMs(), this.#options.graceMs);
  }

  async #closeOver(series: Series): Promise<void> {
    const { dataCollect, writer } = this.#options;
    const { instrumentId } = series;
    const before = this.#get(series);
    if (before.lastTradeId === null || !this.#isOver(series)) return;
    const fromId = tradeIdAfter(before.lastTradeId, 1);
    await this.#keepWhole(series, await dataCollect.trades({ instrumentId, fromId, limit: PAGE }));
    const after = this.#get(series);
    const { forming } = after;
    if (forming === null || forming.openAtMs !== before.forming?.openAtMs) return;
    const moved = await writer.add(await this.#present(series), [forming], { lastTradeId: forming.lastTradeId });
    if (moved === null) this.forget(instrumentId);
    else this.#set(series, { ...after, forming: null, beforeOpenAtMs: forming.openAtMs });
  }

  /** Drops what is in memory, so that the store's last trade is where it begins again. */
  forget(instrumentId: string): void {
    this.#progress.delete(instrumentId);
  }

  get instrumentIds(): readonly string[] {
    return [...this.#progress.keys()];
  }

  /** Whether a trade is missing before one of these. */
  #hasHole(series: Series, trades: readonly VenueTrade[]): boolean {
    let { lastTradeId } = this.#get(series);
    for (const { tradeId } of trades) {
      const link = lastTradeId === null ? "next" : tradeLinkOf(lastTradeId, tradeId);
      if (link === "hole") return true;
      if (link === "next") lastTradeId = tradeId;
    }
    return false;
  }

  /** The trades with those that the venue tells of before them; as they are where it tells none, or too many are missing. */
  async #withMissing(series: Series, trades: readonly VenueTrade[]): Promise<readonly VenueTrade[]> {
    const { lastTradeId } = this.#get(series);
    const newest = trades.at(-1);
    if (lastTradeId === null || newest === undefined) return trades;
    if (BigInt(newest.tradeId) - BigInt(lastTradeId) > BigInt(PAGE)) return trades;
    const fromId = tradeIdAfter(lastTradeId, 1);
    const told = await this.#options.dataCollect.trades({ instrumentId: series.instrumentId, fromId, limit: PAGE });
    const byId = new Map([...told, ...trades].map((trade) => [trade.tradeId, trade]));
    return [...byId.values()].toSorted((a, b) => (BigInt(a.tradeId) < BigInt(b.tradeId) ? -1 : 1));
  }

  /** A candle whose closed form comes from the venue: nothing of it is stored. */
  #keepForming(series: Series, trades: readonly VenueTrade[]): void {
    let progress = this.#get(series);
    for (const trade of trades) {
      if (progress.lastTradeId !== null && tradeLinkOf(progress.lastTradeId, trade.tradeId) === "duplicate") {
        if (!beginsAnew(progress, trade)) continue;
        progress = NO_PROGRESS;
      }
      progress = stepTrade(series, progress, trade).progress;
    }
    this.#set(series, progress);
  }

  async #keepWhole(series: Series, trades: readonly VenueTrade[]): Promise<void> {
    for (const trade of trades) {
      const { lastTradeId } = this.#get(series);
      const link = lastTradeId === null ? "next" : tradeLinkOf(lastTradeId, trade.tradeId);
      if (link === "duplicate") {
        if (!beginsAnew(this.#get(series), trade)) continue;
        await this.#options.tell("TRADE_IDS_BEGAN_ANEW", series, trade);
        this.#set(series, NO_PROGRESS);
      }
      if (link === "hole" && lastTradeId !== null) await this.#closeHole(series, lastTradeId, trade);
      else await this.#take(series, trade);
    }
  }

  async #closeHole(series: Series, lastTradeId: string, until: VenueTrade): Promise<void> {
    const { dataCollect, log } = this.#options;
    const missing = BigInt(until.tradeId) - BigInt(lastTradeId);
    if (missing > BigInt(PAGE * MOST_PAGES)) {
      log.warn(
        { instrumentId: series.instrumentId, missing: String(missing) },
        "too many trades missing, bars close it",
      );
      this.#set(series, NO_PROGRESS);
      await this.#take(series, until);
      return;
    }
    let after = lastTradeId;
    while (tradeLinkOf(after, until.tradeId) !== "duplicate") {
      const fromId = tradeIdAfter(after, 1);
      const page = await dataCollect.trades({ instrumentId: series.instrumentId, fromId, limit: PAGE });
      const newest = page.at(-1);
      // The venue tells of the trade before it lists it: the one that showed the hole comes again with the next.
      if (newest === undefined) return;
      for (const trade of page) await this.#take(series, trade);
      after = newest.tradeId;
    }
  }

  async #take(series: Series, trade: VenueTrade): Promise<void> {
    const before = this.#get(series);
    const step = stepTrade(await this.#present(series), before, trade);
    if (step.isLate) await this.#options.tell("LATE_TRADES", series, trade);
    if (step.closed !== null) {
      const { writer } = this.#options;
      const present = await this.#present(series);
      const moved = step.wasWhole
        ? await writer.add(present, [step.closed], { lastTradeId: step.closed.lastTradeId })
        : // Joined half-way: the venue's bars fill up to here, from here on trades do.
          await writer.catchUp({ ...present, lastTradeId: before.lastTradeId }, step.progress.forming?.openAtMs);
      if (moved === null) {
        this.forget(series.instrumentId);
        return;
      }
    }
    this.#set(series, step.progress);
  }

  async #present(series: Series): Promise<Series> {
    const all = await this.#options.kept.of(series.instrumentId);
    return all.find(({ timeFrame }) => timeFrame === series.timeFrame) ?? series;
  }

  #get(series: Series): TradeProgress {
    const progress = this.#progress.get(series.instrumentId)?.get(series.timeFrame);
    if (progress !== undefined) return progress;
    return series.source === "trades" ? { ...NO_PROGRESS, lastTradeId: series.lastTradeId } : NO_PROGRESS;
  }

  #set(series: Series, progress: TradeProgress): void {
    const own = this.#progress.get(series.instrumentId) ?? new Map<string, TradeProgress>();
    own.set(series.timeFrame, progress);
    this.#progress.set(series.instrumentId, own);
  }
}

import type { Logger } from "pino";
import type { CandleWriter } from "#services/market-data/candles/candle-writer.ts";
import type { KeptSeries } from "#services/market-data/series/kept-series.ts";
import type { Series } from "#services/market-data/series/series.ts";
import { candleOf, runsOf, singlesOf, type TradedCandle, type TradeRun } from "#shared/candles/aggregate.ts";
import { type TradeLink, tradeIdAfter, tradeLinkOf } from "#shared/candles/trade-ids.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { KeyedLock } from "#shared/concurrency/keyed-lock.ts";
import type { VenueTrade } from "#shared/domain/candle.ts";
import type { DataCollectClient } from "#shared/http/clients.ts";
import {
  beginsAnew,
  formingCandle,
  isOver,
  NO_PROGRESS,
  progressBehind,
  stepTrades,
  type TradeProgress,
} from "./trade-series.ts";
import { Waits } from "./waits.ts";

export interface TradeKeeperOptions {
  kept: KeptSeries;
  writer: CandleWriter;
  dataCollect: DataCollectClient;
  lock: KeyedLock;
  clock: Clock;
  log: Logger;
  /** How long after its end a candle is waited for, by the venue's clock: trades of its last moment are on their way. */
  graceMs: number;
  /** Tells a person of something about an instrument's trades. */
  tell: (
    what: TradeTrouble,
    series: Series,
    trade: Pick<VenueTrade, "tradeId" | "atMs" | "receivedAtMs">,
  ) => Promise<void>;
}

/** What may be wrong with trades. */
export type TradeTrouble = "CANDLE_LEFT_OUT" | "LATE_TRADES" | "TRADE_IDS_BEGAN_ANEW";

/** What came of storing a candle. elsewhere: another process has moved the head. not-listed: the venue does not list its bar yet. */
type Stored = "stored" | "elsewhere" | "not-listed";

/** Trades asked for at once when a hole is closed. */
const PAGE = 1_000;
/** A hole of more pages is closed with the venue's bars. */
const MOST_PAGES = 50;
/** After so many answers without the bar of a candle that had trades, in some 80 seconds, it is left out and told of. */
const MOST_LACKING = 20;

function linkOf({ lastTradeId }: Pick<TradeProgress, "lastTradeId">, { tradeId }: VenueTrade): TradeLink {
  return lastTradeId === null ? "next" : tradeLinkOf(lastTradeId, tradeId);
}

/** The runs that these series take in. */
function runsFor(all: readonly Series[], trades: readonly VenueTrade[]): TradeRun[] {
  return all.length === 0 ? [] : runsOf(trades, [...new Set(all.map(({ timeFrame }) => timeFrame))]);
}

/**
 * Makes candles of trades. What is in memory can always be made again: each stored candle carries its last trade, and the
 * venue lists all that came after it.
 */
export class TradeKeeper {
  readonly #options: TradeKeeperOptions;
  readonly #progress = new Map<string, Map<string, TradeProgress>>();
  readonly #waits: Waits;

  constructor(options: TradeKeeperOptions) {
    this.#options = options;
    this.#waits = new Waits(options.clock);
  }

  /**
   * Takes trades of one instrument in, in order of their ids. Where the venue's bars make the closed candles, the forming
   * one is published first, since nothing is stored for it.
   */
  async keep(trades: readonly VenueTrade[]): Promise<void> {
    const [first] = trades;
    if (first === undefined) return;
    const { kept, lock } = this.#options;
    const { instrumentId } = first;
    const all = await kept.of(instrumentId);
    const forming = all.filter((series) => series.source === "bars" && series.forming);
    const whole = all.filter(({ source }) => source === "trades");
    const runs = runsFor([...forming, ...whole], trades);
    const holed = forming.filter((series) => this.#hasHole(series, runs));
    const unbroken = forming.filter((series) => !holed.includes(series));
    for (const series of unbroken) this.#keepForming(series, runs);
    this.#publishForming(unbroken);
    if (holed.length > 0) {
      await lock.run(instrumentId, async () => {
        for (const series of holed) {
          await this.#unlessWaiting(series, async () => {
            this.#keepForming(series, runsFor([series], await this.#withMissing(series, trades)));
            this.#publishForming([series]);
            return true;
          });
        }
      });
    }
    if (whole.length === 0) return;
    await lock.run(instrumentId, async () => {
      // Each waits for its own candles to be stored; those of all are stored together.
      const outcomes = await Promise.allSettled(whole.map((series) => this.#keepWhole(series, runs)));
      const present = await kept.of(instrumentId);
      const formingToo = present.filter(({ source, forming: isWanted }) => source === "trades" && isWanted);
      this.#publishForming(formingToo.filter((series) => !this.#waits.has(series)));
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    });
  }

  #publishForming(all: readonly Series[]): void {
    const candles = all.map((series) => formingCandle(series, this.#get(series))).filter((candle) => candle !== null);
    if (candles.length > 0) this.#options.writer.publish(candles);
  }

  /** Asks again for what the venue could not tell, and closes what the clock says is over. */
  async closeByClock(instrumentId: string): Promise<void> {
    for (const series of await this.#options.kept.of(instrumentId)) {
      if (series.source !== "trades" || !(this.#waits.has(series) || this.#isOver(series))) continue;
      await this.#options.lock.run(instrumentId, () => this.#unlessWaiting(series, () => this.#closeOver(series)));
    }
  }

  #isOver(series: Series): boolean {
    return isOver(this.#get(series), this.#options.clock.nowMs(), this.#options.graceMs);
  }

  /** Stores the candle that is over, when the venue has told all its trades. False: it is not stored yet. */
  async #closeOver(series: Series): Promise<boolean> {
    const over = this.#isOver(series) ? this.#get(series).forming : null;
    if (!(await this.#keepListed(series))) return false;
    const progress = this.#get(series);
    const { forming, isWhole } = progress;
    if (forming === null || forming.openAtMs !== over?.openAtMs) return true;
    const present = await this.#present(series);
    const candle = candleOf(forming);
    const stored = isWhole ? await this.#store(present, [candle]) : await this.#fill(present, candle, candle.closeAtMs);
    if (stored === "elsewhere") this.forget(series.instrumentId);
    if (stored === "stored") this.#set(series, { ...progress, forming: null, beforeOpenAtMs: forming.openAtMs });
    return stored === "stored";
  }

  /** Drops what is in memory, so that the store's last trade is where it begins again. */
  forget(instrumentId: string): void {
    this.#progress.delete(instrumentId);
    this.#waits.forget(instrumentId);
  }

  get instrumentIds(): readonly string[] {
    return [...new Set([...this.#progress.keys(), ...this.#waits.instrumentIds])];
  }

  /** Whether a trade is missing before one of these. */
  #hasHole(series: Series, runs: readonly TradeRun[]): boolean {
    let { lastTradeId } = this.#get(series);
    for (const { first, last } of runs) {
      if (linkOf({ lastTradeId }, first) === "hole") return true;
      if (linkOf({ lastTradeId }, last) !== "duplicate") lastTradeId = last.tradeId;
    }
    return false;
  }

  /**
   * The trades, and before them those that the venue lists in between. Just the trades where it lists none, or where more
   * are missing than one page holds.
   */
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
  #keepForming(series: Series, runs: readonly TradeRun[]): void {
    let progress = this.#get(series);
    for (const run of runs) {
      for (const part of linkOf(progress, run.first) === "duplicate" ? singlesOf(run) : [run]) {
        if (linkOf(progress, part.first) === "duplicate") {
          if (!beginsAnew(progress, part.first)) continue;
          progress = NO_PROGRESS;
        }
        progress = stepTrades(series, progress, part).progress;
      }
    }
    this.#set(series, progress);
  }

  /** Trades that come during a pause are left out: their ids bring them again. */
  async #keepWhole(series: Series, runs: readonly TradeRun[]): Promise<void> {
    const present = await this.#present(series);
    const progress = this.#get(present);
    // No pause is waited for: trades of ids that begin anew are not told again by the old ones' list.
    const isAnew = (trade: VenueTrade) => linkOf(progress, trade) === "duplicate" && beginsAnew(progress, trade);
    if (runs.some(({ first, trades }) => linkOf(progress, first) === "duplicate" && trades.some(isAnew)))
      this.#waits.end(series);
    await this.#unlessWaiting(series, async () => {
      const taken = await this.#takeFollowing(present, runs);
      if (taken === null) return false;
      for (const run of runs.slice(taken)) if (!(await this.#keepOne(series, run))) return false;
      return true;
    });
  }

  /**
   * Takes the runs that follow on each other, as nearly all do, and stores the candles that they close together. Gives how many
   * it took: before one that needs a look at the venue it ends. Null: the candles are not stored, and nothing was taken.
   */
  async #takeFollowing(present: Series, runs: readonly TradeRun[]): Promise<number | null> {
    let progress = this.#get(present);
    let taken = 0;
    const closed: TradedCandle[] = [];
    for (const run of runs) {
      if (linkOf(progress, run.first) !== "next") break;
      const step = stepTrades(present, progress, run);
      if (step.isLate || (step.closed !== null && !step.wasWhole)) break;
      if (step.closed !== null) closed.push(step.closed);
      progress = step.progress;
      taken += 1;
    }
    if ((await this.#store(present, closed)) === "elsewhere") {
      this.forget(present.instrumentId);
      return null;
    }
    if (taken > 0) this.#set(present, progress);
    return taken;
  }

  /**
   * Does work that asks the venue. Not where the venue was asked a moment ago and could not tell. `work` that gives false or
   * fails: it could not tell this time.
   */
  async #unlessWaiting(series: Series, work: () => Promise<boolean>): Promise<void> {
    if (this.#waits.isPausing(series)) return;
    let isDone = false;
    try {
      isDone = await work();
    } finally {
      if (isDone) this.#waits.end(series);
      else this.#waits.begin(series);
    }
  }

  /** False: nothing goes on before the venue is asked again. */
  async #keepOne(series: Series, run: TradeRun): Promise<boolean> {
    const present = await this.#present(series);
    const progress = this.#get(present);
    const link = linkOf(progress, run.first);
    if (link === "next") return await this.#take(present, run);
    if (run.trades.length > 1) {
      for (const single of singlesOf(run)) if (!(await this.#keepOne(series, single))) return false;
      return true;
    }
    const trade = run.first;
    if (link === "duplicate") return beginsAnew(progress, trade) ? await this.#joinAnew(series, run, "anew") : true;
    if (BigInt(trade.tradeId) - BigInt(progress.lastTradeId ?? "0") > BigInt(PAGE * MOST_PAGES)) {
      return await this.#joinAnew(series, run, "too many trades are missing");
    }
    if (!(await this.#keepListed(series))) return false;
    // The venue tells of a trade before it lists it.
    const now = linkOf(this.#get(series), trade);
    return now === "next" ? await this.#take(await this.#present(series), run) : now === "duplicate";
  }

  /**
   * Takes what the venue lists behind the last trade. The list has to begin with that trade as it is known: else trades are
   * missing that nobody can get. False: the list does not yet have what the stream has told, or a candle waits.
   */
  async #keepListed(series: Series): Promise<boolean> {
    const { instrumentId } = series;
    for (;;) {
      const progress = this.#get(await this.#present(series));
      const { lastTradeId: fromId } = progress;
      if (fromId === null) return true;
      const page = await this.#options.dataCollect.trades({ instrumentId, fromId, limit: PAGE });
      const [begin] = runsFor([series], page.slice(0, 1));
      if (begin === undefined) return false;
      const why = begin.first.tradeId !== fromId ? "the venue lists its trades no more" : "anew";
      const isKnown = why === "anew" && !beginsAnew(progress, begin.first);
      if (!isKnown && !(await this.#joinAnew(series, begin, why))) return false;
      for (const run of runsFor([series], page.slice(1))) {
        const present = await this.#present(series);
        const isNext = linkOf(this.#get(present), run.first) === "next";
        const went = isNext ? this.#take(present, run) : this.#joinAnew(present, run, "its ids have a hole");
        if (!(await went)) return false;
      }
      if (page.length < PAGE) return true;
    }
  }

  /** Begins half-way with these trades, so that the venue's bars close what lies between. */
  async #joinAnew(series: Series, run: TradeRun, why: string): Promise<boolean> {
    const { instrumentId, timeFrame } = series;
    if (why === "anew") await this.#options.tell("TRADE_IDS_BEGAN_ANEW", series, run.first);
    else this.#options.log.warn({ instrumentId, timeFrame, why }, "trades are missing, bars close it");
    this.#set(series, NO_PROGRESS);
    return await this.#take(await this.#present(series), run);
  }

  /** False: the candle that the trades close is not stored yet, so they are not taken either. */
  async #take(present: Series, run: TradeRun): Promise<boolean> {
    const step = stepTrades(present, this.#get(present), run);
    const { closed, wasWhole, isLate, progress } = step;
    if (isLate) await this.#options.tell("LATE_TRADES", present, run.first);
    if (closed !== null) {
      const untilMs = progress.forming?.openAtMs ?? closed.closeAtMs;
      const stored = wasWhole ? await this.#store(present, [closed]) : await this.#fill(present, closed, untilMs);
      if (stored === "elsewhere") this.forget(present.instrumentId);
      if (stored !== "stored") return false;
    }
    this.#set(present, progress);
    return true;
  }

  /** Stores candles that have all their trades, oldest first. */
  async #store(present: Series, closed: readonly TradedCandle[]): Promise<Stored> {
    // Those that another process has stored before are left out.
    const wanted = closed.filter(({ openAtMs }) => openAtMs > (present.headOpenAtMs ?? -1));
    const newest = wanted.at(-1);
    if (newest === undefined) return "stored";
    const moved = await this.#options.writer.add(present, wanted, { lastTradeId: newest.lastTradeId });
    return moved === null ? "elsewhere" : "stored";
  }

  /**
   * Stores the venue's bars up to a candle that was joined half-way; from there on trades make the candles. The venue has to
   * list that candle's bar, since it had trades: nothing goes on before. Where the venue lists no bar at all, the series
   * begins behind it.
   */
  async #fill(present: Series, closed: TradedCandle, untilMs: number): Promise<Stored> {
    const { writer, tell } = this.#options;
    const moved = await writer.catchUp(present, { untilMs, lastTrade: closed });
    if (moved.headOpenAtMs === null || moved.headOpenAtMs >= closed.openAtMs) return "stored";
    if (this.#waits.lacked(present) < MOST_LACKING) return "not-listed";
    const { lastTradeId: tradeId, tradedAtMs: atMs, receivedAtMs } = closed;
    await tell("CANDLE_LEFT_OUT", present, { tradeId, atMs, receivedAtMs });
    return "stored";
  }

  async #present(series: Series): Promise<Series> {
    const all = await this.#options.kept.of(series.instrumentId);
    return all.find(({ timeFrame }) => timeFrame === series.timeFrame) ?? series;
  }

  #get(series: Series): TradeProgress {
    const progress = this.#progress.get(series.instrumentId)?.get(series.timeFrame);
    return progress ?? (series.source === "trades" ? progressBehind(series) : NO_PROGRESS);
  }

  #set(series: Series, progress: TradeProgress): void {
    const own = this.#progress.get(series.instrumentId) ?? new Map<string, TradeProgress>();
    own.set(series.timeFrame, progress);
    this.#progress.set(series.instrumentId, own);
  }
}

import type { Settings } from "#services/strategy-executor/settings.ts";
import { type RunRow, readRun } from "#services/strategy-executor/store.ts";
import type { OwnedUnit } from "#shared/bus/bus.ts";
import { MOST_HISTORY } from "#shared/candles/limits.ts";
import { backoffMs } from "#shared/clock/backoff.ts";
import type { CallLimit } from "#shared/concurrency/call-limit.ts";
import { readInstrument } from "#shared/db/reference-rows.ts";
import type { Candle } from "#shared/domain/candle.ts";
import { plain } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { AT_WORK, type Session, seriesOf } from "#shared/domain/session.ts";
import type { Intent, Signal } from "#shared/domain/signal.ts";
import { AppError, hasCode, messageOf, sentenceOf } from "#shared/errors/app-error.ts";
import type { MarketDataClient, SeriesHead } from "#shared/http/clients.ts";
import type { Deps } from "#shared/service/service.ts";
import type { RuntimeSnapshot } from "#shared/strategy/runtime.ts";
import type { BarsOutcome, StrategyInstance } from "#shared/strategy-threads/strategy-host.ts";
import { strategyFailed, threadEnded } from "#shared/strategy-threads/watched-thread.ts";
import { createFailureRow } from "#shared/telemetry/failure-row.ts";
import { type CandleInbox, createCandleInbox } from "./candle-inbox.ts";
import { commitFault, commitWaiting, commitWarmUp, type Progress } from "./commits.ts";
import type { GroupCommits } from "./group-commits.ts";
import { type Holding, isBusy } from "./holding.ts";
import { signalOf } from "./signal.ts";
import { barOf, modeOf } from "./strategy-feed.ts";

/** What all sessions of a process share. */
export interface Workplace {
  deps: Deps;
  settings: Settings;
  commits: GroupCommits;
  /** Many sessions that start at once leave time for those that run. */
  warmUps: CallLimit;
}

const PAGE = 500;
const INBOX_CAPACITY = 1_000;
/** market-data repeats the newest candle of each series every second: without one for so long, something is wrong. */
const SILENT_MS = 5_000;

/** All that is in memory of one run; dropped whole, and read again, after any failure. */
interface Loaded {
  session: Session;
  row: RunRow;
  instance: StrategyInstance;
}

/**
 * One session at work in the shard that leads it. It does one thing after the other: reads its row, warms up, then works
 * each closed candle once and in order, all that wait in one transaction. Its memory is a copy of the row and never ahead of
 * it: when anything fails, the copy is dropped and read again.
 */
export class SessionRunner {
  readonly #inbox: CandleInbox = createCandleInbox(INBOX_CAPACITY);
  readonly #stopping = new AbortController();
  readonly #stopped: AbortSignal;
  #loaded: Loaded | null = null;
  /** Grows with each change that comes from outside while the row may be being read. */
  #changes = 0;
  #catchUp = true;
  #heardAtMs = 0;
  #working: Promise<void> | null = null;
  #again = false;
  readonly #failures = createFailureRow();
  /** What was told last of why the warm-up is not done. */
  #told: string | null = null;

  constructor(
    private readonly place: Workplace,
    private readonly unit: OwnedUnit,
    /** The session as it was known last. */
    private known: Session,
  ) {
    this.#stopped = AbortSignal.any([this.#stopping.signal, unit.signal]);
  }

  get session(): Session {
    return this.known;
  }

  /** A candle of some series came by. */
  offer(candle: Candle): void {
    const { instrumentId, timeFrame } = seriesOf(this.known);
    if (candle.instrumentId !== instrumentId || candle.timeFrame !== timeFrame) return;
    this.#heardAtMs = this.place.deps.clock.monotonicMs();
    this.#inbox.offer(candle, this.#loaded?.row.candleN ?? 0);
    this.wake();
  }

  /** Asks market-data for the next candle where none has come for long. What fails is asked again after as long. */
  async askIfSilent(): Promise<void> {
    const { clock, clients } = this.place.deps;
    const loaded = this.#loaded;
    if (loaded?.row.phase !== "READY" || clock.monotonicMs() - this.#heardAtMs < SILENT_MS) return;
    this.#heardAtMs = clock.monotonicMs();
    const next = { ...seriesOf(loaded.session), fromN: loaded.row.candleN + 1, limit: 1 };
    const found = await clients.marketData.candles(next).catch(() => []);
    for (const candle of found) this.offer(candle);
  }

  /** The session has changed, by a committed event: it is newer than what is known. */
  applySession(session: Session): void {
    this.#changes += 1;
    if (session.run !== this.known.run) {
      this.#drop();
      this.#inbox.clear();
    } else if (this.#loaded !== null) {
      this.#loaded.session = session;
    }
    this.known = session;
    this.wake();
  }

  /** What it holds has changed, by committed events; `cleared` are the signals that risk is done with. */
  applyHolding(holding: Holding, cleared: ReadonlySet<string>): void {
    this.#changes += 1;
    if (this.#loaded === null) return;
    const { row } = this.#loaded;
    const own = row.holding.pendingSignal;
    // A signal may be on its way into the row in this moment: only its own end clears it.
    const pendingSignal = own !== null && !cleared.has(own) ? own : holding.pendingSignal;
    row.holding = { ...holding, pendingSignal };
    this.wake();
  }

  /** Begins to work, or once more after what it is doing. */
  wake(): void {
    this.#again = true;
    if (this.#working !== null || this.#stopped.aborted) return;
    this.#working = this.#workAll().finally(() => {
      this.#working = null;
      if (this.#again) this.wake();
    });
  }

  /** Ends after what it is doing. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#working;
    this.#drop();
  }

  async #workAll(): Promise<void> {
    while (this.#again && !this.#stopped.aborted) {
      this.#again = false;
      try {
        while (!this.#stopped.aborted && (await this.#step())) this.#failures.clear();
      } catch (error) {
        await this.#recover(error);
      }
    }
  }

  /** One thing to do. False: nothing is left. */
  async #step(): Promise<boolean> {
    if (!AT_WORK.includes(this.known.state)) return false;
    const loaded = this.#loaded ?? (await this.#load());
    if (loaded === null) return false;
    if (loaded.row.phase === "WARMING") {
      await this.#warmUp(loaded);
      return true;
    }
    const candles = await this.#nextCandles(loaded);
    if (candles.length > 0) {
      await this.#work(loaded, candles);
      return true;
    }
    const forming = loaded.instance.forming ? this.#inbox.takeForming(loaded.row.candleN) : null;
    if (forming === null) return false;
    await this.#work(loaded, [forming]);
    return true;
  }

  async #load(): Promise<Loaded | null> {
    const { deps } = this.place;
    for (;;) {
      const before = this.#changes;
      const found = await readRun(deps.db.sql, this.known.id);
      // It was never started, or its newest run is not known to this row yet: an event will tell.
      if (found === null || found.row.run !== found.session.run) return null;
      const { session, row } = found;
      // It was told. It is not made again: what failed then, as a strategy that is gone, would fail again at once.
      if (row.phase === "FAULTED") return null;
      const instrument = await this.#instrument(seriesOf(session).instrumentId);
      const { id: sessionId, strategy, strategyVersion: version, params } = session;
      const wanted = { sessionId, strategy, version, params, instrument, snapshot: row.runtime };
      const instance = await deps.strategies.open(wanted);
      // Something came in meanwhile that this copy may not have.
      if (before !== this.#changes) {
        instance.close();
        continue;
      }
      this.known = session;
      this.#loaded = { session, row, instance };
      this.#inbox.drop(row.candleN);
      this.#catchUp = true;
      return this.#loaded;
    }
  }

  async #instrument(id: string): Promise<Instrument> {
    const { db, clients } = this.place.deps;
    const instrument = (await readInstrument(db.sql, id)) ?? (await clients.marketData.instrument(id));
    if (instrument !== null) return instrument;
    throw new AppError("NOT_FOUND", "transient", `The instrument ${id} is not known.`);
  }

  async #warmUp(loaded: Loaded): Promise<void> {
    const { session, instance } = loaded;
    const series = seriesOf(session);
    const wanted = instance.warmupBars;
    // Closed candles are the venue's own for every session of a series; within a bar trades tell.
    const wish = { source: "bars", history: wanted, forming: instance.forming } as const;
    const head = await this.#ensureSeries({ ...series, ...wish });
    await this.place.warmUps.run(this.#stopped, () => this.#showHistory(loaded, head));
  }

  async #showHistory(loaded: Loaded, head: SeriesHead): Promise<void> {
    const { session, instance } = loaded;
    const series = seriesOf(session);
    const wanted = instance.warmupBars;
    let candleN = head.headN === 0 ? 0 : Math.max(head.firstN - 1, head.headN - wanted);
    let closeAtMs: number | null = null;
    let { snapshot } = await this.#show(loaded, []);
    while (candleN < head.headN && !this.#stopped.aborted) {
      const limit = Math.min(PAGE, head.headN - candleN);
      const candles = await this.#page({ ...series, fromN: candleN + 1, limit });
      ({ snapshot } = await this.#show(loaded, candles));
      ({ n: candleN, closeAtMs } = candles.at(-1) as Candle);
    }
    // Cut short: whoever leads next, or the next start, warms up anew.
    if (candleN < head.headN) return;
    const done = { session, candleN: head.headN, closeAtMs, runtime: snapshot as RuntimeSnapshot };
    const isOver = await commitWarmUp(this.place.deps, this.unit, done);
    // The copy may have been dropped meanwhile; what was committed stands in the row.
    if (this.#loaded !== loaded) return;
    if (!isOver) return this.#drop();
    loaded.row = { ...loaded.row, phase: "READY", candleN: head.headN };
    this.#inbox.drop(head.headN);
    this.#catchUp = true;
  }

  /** A history that can not be had faults the session: a shorter warm-up would be one that no one asked for. */
  async #ensureSeries(wish: Parameters<MarketDataClient["ensureSeries"]>[0]): Promise<SeriesHead> {
    if (wish.history > MOST_HISTORY)
      throw strategyFailed(
        `The strategy warms up with ${wish.history} bars, above the most there may be: ${MOST_HISTORY}.`,
      );
    try {
      return await this.place.deps.clients.marketData.ensureSeries(wish);
    } catch (error) {
      if (!hasCode(error, "CONFLICT")) throw error;
      throw strategyFailed(`The strategy warms up with ${wish.history} bars. ${error.message}`, error);
    }
  }

  /** Closed candles after the cursor without a gap, read from market-data where some are missing. */
  async #nextCandles(loaded: Loaded): Promise<Candle[]> {
    const { row, session } = loaded;
    const hole = this.#inbox.hasHole(row.candleN);
    if (!hole && !this.#catchUp) return this.#inbox.next(row.candleN, this.place.settings.R3_STRATEGY_EXECUTOR_BATCH);
    const limit = Math.min(PAGE, this.place.settings.R3_STRATEGY_EXECUTOR_BATCH);
    const series = seriesOf(session);
    const found = await this.place.deps.clients.marketData.candles({ ...series, fromN: row.candleN + 1, limit });
    // While it was asked, the copy may have been dropped: the row decides again.
    if (this.#loaded !== loaded) return [];
    this.#catchUp = found.length === limit;
    if (found.length > 0) return inOrder(found, row.candleN + 1);
    if (!this.#inbox.hasHole(row.candleN)) return this.#inbox.next(row.candleN, limit);
    throw new AppError("SERVICE_UNAVAILABLE", "transient", "market-data does not have a candle that it has announced.");
  }

  async #page(query: { instrumentId: string; timeFrame: Session["timeFrame"]; fromN: number; limit: number }) {
    const candles = inOrder(await this.place.deps.clients.marketData.candles(query), query.fromN);
    if (candles.length > 0) return candles;
    throw new AppError(
      "SERVICE_UNAVAILABLE",
      "transient",
      "market-data does not have the candles that it has counted.",
    );
  }

  async #work(loaded: Loaded, candles: readonly Candle[]): Promise<void> {
    const progress = await this.#feed(loaded, candles);
    if (progress === null) return;
    await this.place.commits.commit(this.unit, progress);
    // The copy may have been dropped meanwhile; what was committed stands in the row.
    if (this.#loaded !== loaded) return;
    loaded.row.candleN = progress.candleN;
    loaded.row.signals = progress.signals;
    this.#inbox.drop(progress.candleN);
  }

  /** Shows the candles to the strategy. Null: there is nothing to commit, as for a forming candle without a signal. */
  async #feed(loaded: Loaded, candles: readonly Candle[]): Promise<Progress | null> {
    const { session, row } = loaded;
    const last = candles.at(-1) as Candle;
    const shown = await this.#show(loaded, candles);
    // While it was at work, the copy was dropped: the row decides again.
    if (this.#loaded !== loaded || shown.snapshot === null) return null;
    const signal =
      shown.signal === null ? null : this.#signalOf(session, row, candles[shown.signal.at] as Candle, shown.signal);
    if (signal !== null) row.holding = { ...row.holding, pendingSignal: signal.id };
    return {
      session,
      fromN: row.candleN,
      candleN: last.closed ? last.n : row.candleN,
      closeAtMs: last.closed ? last.closeAtMs : null,
      bar: last.n,
      runtime: shown.snapshot,
      signals: row.signals + (signal === null ? 0 : 1),
      signal,
    };
  }

  /** Shows candles to the strategy, with what the session holds and may do as it is now. */
  async #show(loaded: Loaded, candles: readonly Candle[]): Promise<BarsOutcome> {
    const { session, row, instance } = loaded;
    try {
      return await instance.onBars({
        bars: candles.map(barOf),
        mode: modeOf(session.state),
        size: plain(row.holding.size),
        busy: isBusy(row.holding),
        warmUp: row.phase === "WARMING",
      });
    } catch (error) {
      // What failed belongs to a run that is over: it is no fault of the present one.
      throw this.#loaded === loaded ? error : threadEnded("The session went on without this turn.");
    }
  }

  #signalOf(session: Session, row: RunRow, candle: Candle, { intent }: { intent: Intent }): Signal {
    const createdAtMs = this.place.deps.clock.stampMs();
    return signalOf({ session, number: row.signals + 1, intent, candle, createdAtMs });
  }

  /** Forgets what is in memory; its row has it all. */
  #drop(): void {
    this.#loaded?.instance.close();
    this.#loaded = null;
  }

  /** The place where a session's failures end: a fault of its strategy is reported, all else is tried again later. */
  async #recover(error: unknown): Promise<void> {
    const { deps, settings } = this.place;
    this.#drop();
    if (this.#stopped.aborted || hasCode(error, "FENCED")) return;
    this.#again = true;
    const log = { sessionId: this.known.id, run: this.known.run, error: messageOf(error) };
    if (hasCode(error, "STRATEGY_FAILED")) {
      deps.log.error(log, "a strategy failed; its session is faulted");
      const done = await commitFault(deps, this.unit, { session: this.known, reason: error.message }).then(
        () => true,
        () => false,
      );
      if (done) return;
    }
    const isWorthALine = this.#failures.note(log.error);
    const { count } = this.#failures;
    // A copy that was behind its row, or was lost with its thread, is read again at once.
    const isLostCopy = hasCode(error, "CONFLICT") || hasCode(error, "THREAD_ENDED");
    if (count === 1 && isLostCopy) return;
    if (isWorthALine && !isLostCopy) {
      deps.log.warn({ ...log, failures: count }, "a session could not go on; trying again");
    }
    if (this.known.state === "STARTING") await this.#tellWaiting(sentenceOf(error));
    const firstMs = settings.R3_STRATEGY_EXECUTOR_RETRY_MS;
    await deps.clock.sleep(backoffMs({ firstMs, longestMs: 50 * firstMs }, count), this.#stopped);
  }

  /** Best effort: what could not be told is told with the next failure. */
  async #tellWaiting(reason: string): Promise<void> {
    const { deps } = this.place;
    const said = `${this.known.run} ${reason}`;
    if (said === this.#told) return;
    await commitWaiting(deps, this.unit, { session: this.known, reason }).then(
      () => {
        this.#told = said;
      },
      (error: unknown) => deps.log.debug({ sessionId: this.known.id, error: messageOf(error) }, "wait not told"),
    );
  }
}

/** Throws (transient) where the numbers do not run on from `fromN`. */
function inOrder(candles: Candle[], fromN: number): Candle[] {
  if (candles.every((candle, index) => candle.n === fromN + index)) return candles;
  throw new AppError("SERVICE_UNAVAILABLE", "transient", "market-data gave candles that are not in one row.");
}

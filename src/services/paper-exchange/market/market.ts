import {
  type CommissionRule,
  type CutRule,
  createLedger,
  type Ledger,
} from "#services/paper-exchange/ledger/ledger.ts";
import {
  type Changes,
  type CursorRow,
  type LedgerState,
  noChanges,
  type VenueOrderRow,
} from "#services/paper-exchange/ledger/ledger-types.ts";
import { orderNumberOf } from "#services/paper-exchange/ledger/order-number.ts";
import type { Placement } from "#services/paper-exchange/ledger/placement.ts";
import type { ReplayBar } from "#services/paper-exchange/prices/bars.ts";
import { type CandleRow, Candles, MADE_FRAMES } from "#services/paper-exchange/prices/candles.ts";
import {
  lastTradeIdOf,
  POINTS,
  type PublicTrade,
  phaseOf,
  tradesBetween,
  tradesOf,
} from "#services/paper-exchange/prices/replay.ts";
import { isRefusal, type Refusal } from "#services/paper-exchange/protocol/refusal.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { Failpoints } from "#shared/service/failpoints.ts";
import type { MarketOptions, ReleaseOutcome, Replay, Shown } from "./market-options.ts";
import type { Store } from "./store.ts";

interface InFile {
  position: CursorRow;
  book: Ledger;
  /** Of a synthetic market. */
  candles: Candles | null;
}

/**
 * One simulated market: where its replay stands, its account, and who listens. Everything is synchronous: a request is
 * checked, done, committed and told within one tick. A commit that fails throws; the file is then read again, so that
 * nothing that was not committed is ever seen.
 */
export class Market {
  readonly id: string;
  /** As its settings have it; see `instrument`. */
  private readonly base: Instrument;
  private ruled: ((base: Instrument) => Instrument) | null = null;
  private commission: CommissionRule | null = null;
  private cuts: CutRule | null = null;
  readonly account: { apiKey: string; secret: string };
  readonly replay: Replay | null;
  readonly clock: Clock;
  private readonly store: Store;
  private readonly failpoints: Failpoints;
  private readonly firstPrice: "last" | "next";
  /** Whether its prices are made up in wall-clock time. */
  readonly synthetic: MarketOptions["synthetic"];
  private readonly latencyMs: number;
  private readonly balancesAtStart: Record<string, string>;
  private readonly listeners = new Set<(shown: readonly Shown[]) => void>();
  /** What the file holds, in memory. Null: the last commit failed, so it is read again before anything else. */
  private inFile: InFile | null;
  private isWritable = true;

  constructor(options: MarketOptions) {
    this.id = options.id;
    this.base = options.instrument;
    this.account = options.account;
    this.replay = options.replay;
    this.clock = options.clock;
    this.store = options.store;
    this.failpoints = options.failpoints;
    this.firstPrice = options.firstPrice;
    this.balancesAtStart = options.account.balances;
    this.synthetic = options.synthetic;
    this.latencyMs = options.latencyMs;
    this.inFile = this.load();
  }

  /** Names, steps and limits as they are now. */
  get instrument(): Instrument {
    return this.ruled === null ? this.base : this.ruled(this.base);
  }

  /** Other rules than the settings'; null: the settings'. */
  ruledBy(rules: ((base: Instrument) => Instrument) | null): void {
    this.ruled = rules;
  }

  /** Another commission than the instrument's from the next execution on; null: the instrument's. */
  chargeCommission(rule: CommissionRule | null): void {
    this.commission = rule;
    this.book.charge = rule;
  }

  /** Which executions are cut by half, so that their order ends EXPIRED_IN_MATCH; null: none. */
  cutMatches(rule: CutRule | null): void {
    this.cuts = rule;
    this.book.cuts = rule;
  }

  /** Time frames that it makes bars of. */
  get timeFrames(): readonly TimeFrame[] {
    if (this.synthetic !== null) return MADE_FRAMES;
    return this.replay === null ? [] : [this.replay.timeFrame];
  }

  /** The closed bars of a time frame, oldest first; none of one that it does not make. */
  closedBars(timeFrame: TimeFrame): readonly (ReplayBar | CandleRow)[] {
    const { candles } = this.present();
    if (candles !== null) return candles.closed(timeFrame);
    return this.replay?.timeFrame === timeFrame ? this.replay.bars.slice(0, this.position.bar) : [];
  }

  get cursor(): Readonly<CursorRow> {
    return this.position;
  }

  get ledger(): Ledger {
    return this.book;
  }

  private get position(): CursorRow {
    return this.present().position;
  }

  private get book(): Ledger {
    return this.present().book;
  }

  get phase(): string {
    if (this.synthetic !== null) return "synthetic";
    return this.replay === null ? "manual" : phaseOf(this.position, this.replay.bars);
  }

  get finished(): boolean {
    return this.replay !== null && this.position.bar >= this.replay.bars.length;
  }

  /** How far best bid and ask are from the last price. */
  get halfSpread(): string {
    return this.synthetic?.halfSpread ?? "0";
  }

  /** Market clock: of the last price or bar shown; before the first its open. A ticker's is wall time. */
  get nowMs(): number {
    return this.replay === null ? this.clock.nowMs() : this.position.nowMs;
  }

  /** Whether the file takes commits. Where the last one failed, as on a full disk, an empty one is tried. */
  canCommit(): boolean {
    if (this.isWritable) return true;
    try {
      this.write(noChanges());
    } catch {
      // Whoever asks for more than this hears the reason.
    }
    return this.isWritable;
  }

  listen(listener: (shown: readonly Shown[]) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  place(placement: Placement): VenueOrderRow | Refusal {
    return this.attempt(() => {
      const { nowMs } = this;
      const { lastPrice } = this.position;
      const order = this.book.place(placement, { nowMs, lastPrice });
      if (isRefusal(order)) return order;
      if (this.firstPrice === "last" && lastPrice !== null) this.book.show(lastPrice, nowMs);
      this.commit(null, order.clientOrderId);
      return order;
    });
  }

  cancel(order: VenueOrderRow, cancelId: string): void {
    this.attempt(() => {
      this.book.cancel(order, cancelId, this.nowMs);
      this.commit(null, order.clientOrderId);
    });
  }

  /** An open order that nobody hears of any more, and that never executes. */
  forget(order: VenueOrderRow): void {
    this.attempt(() => {
      this.book.forget(order, this.nowMs);
      this.commit(null, order.clientOrderId);
    });
  }

  /** Orders, fills and what a ticker showed are gone, and their ids begin at 1 again; balances stay. */
  beginIdsAnew(): void {
    this.attempt(() => {
      const { position, book } = this.present();
      for (const order of book.open.values()) book.forget(order, this.nowMs);
      const changes = { ...book.take(), orders: new Set<VenueOrderRow>(), isAnew: true };
      if (this.replay === null) position.lastTradeId = 0;
      this.write(changes);
      this.inFile = this.load();
    });
  }

  /** Lockstep: shows prices until one causes an account event or the bar is closed; all of it is one commit. */
  release(step: number): ReleaseOutcome {
    if (step !== this.position.step) return "other-step";
    if (this.finished) return "finished";
    this.step((shown) => {
      while (!this.advance(shown));
    });
    return "released";
  }

  /** Shows the next price, and after a bar's last one closes the bar. For a replay that is driven by a timer. */
  showNext(): void {
    if (this.finished) return;
    this.step((shown) => {
      this.advance(shown);
      if (this.position.points === POINTS) this.advance(shown);
    });
  }

  /** Shows one price of a ticker market at the wall clock's now. */
  tick(price: string): PublicTrade {
    const trade = { id: this.position.lastTradeId + 1, price: plain(decimal(price)), size: "1", atMs: this.nowMs };
    this.step((shown) => void this.showTrade(trade, shown));
    return trade;
  }

  /** A trade of a synthetic market at the wall clock's now; bars whose time is over by then are closed before it. */
  trade({ price, size }: { price: string; size: string }): PublicTrade {
    const trade = { id: this.position.lastTradeId + 1, price, size, atMs: this.forwardMs };
    this.step((shown) => {
      const { candles } = this.present();
      this.closeUntil(trade.atMs, shown);
      this.showTrade(trade, shown);
      for (const candle of candles?.add(trade) ?? []) shown.push({ kind: "candle", candle });
    });
    return trade;
  }

  /** Closes the bars of a synthetic market whose time is over. */
  closeCandles(): void {
    const atMs = this.forwardMs;
    if (this.present().candles?.isOver(atMs) === true) this.step((shown) => this.closeUntil(atMs, shown));
  }

  /** Now, by a clock that is never set back: a trade never comes into a bar that is closed. */
  private get forwardMs(): number {
    return Math.max(this.nowMs, this.position.nowMs);
  }

  private closeUntil(atMs: number, shown: Shown[]): void {
    const { position, candles } = this.present();
    for (const candle of candles?.closeUntil(atMs) ?? []) shown.push({ kind: "candle", candle });
    position.nowMs = atMs;
  }

  /** Trades shown, from this id on, oldest first. */
  trades(fromId: number, limit: number): PublicTrade[] {
    const first = Math.max(1, fromId);
    if (this.replay === null) return this.store.ticks(first, limit);
    const range = { fromId: first, toId: this.position.lastTradeId, limit };
    return tradesBetween(this.replay.bars, this.base.sizeStep, range);
  }

  close(): void {
    this.store.close();
  }

  /** Whatever fails on the way, what is in memory is not to be trusted any more. */
  private attempt<Result>(run: () => Result): Result {
    try {
      return run();
    } catch (error) {
      this.inFile = null;
      throw error;
    }
  }

  private step(show: (shown: Shown[]) => void): void {
    this.attempt(() => {
      const shown: Shown[] = [];
      show(shown);
      this.position.step += 1;
      this.commit(shown);
    });
  }

  /** One step of the replay. True where lockstep halts: the price caused an account event, or the bar closed. */
  private advance(shown: Shown[]): boolean {
    const bar = this.replay?.bars[this.position.bar];
    if (bar === undefined) throw new Error("There is no bar to show.");
    const trades = tradesOf(bar, this.base.sizeStep);
    const trade = trades[this.position.points];
    if (trade === undefined) {
      Object.assign(this.position, { bar: bar.n, points: 0, nowMs: bar.closeAtMs });
      shown.push({ kind: "bar", bar, trades, closed: true });
      return true;
    }
    this.position.points += 1;
    return this.showTrade(trade, shown);
  }

  private showTrade(trade: PublicTrade, shown: Shown[]): boolean {
    shown.push({ kind: "trade", trade });
    Object.assign(this.position, { lastTradeId: trade.id, lastPrice: trade.price, nowMs: trade.atMs });
    const events = this.book.show(trade.price, trade.atMs);
    for (const event of events) shown.push({ kind: "account", event });
    return events.length > 0;
  }

  /** Commits what was noted, passes the failpoint, and only then tells anyone. `prices` is null where only the account changed. */
  private commit(prices: Shown[] | null, clientOrderId?: string): void {
    const changes = this.book.take();
    const shown = prices ?? changes.events.map((event): Shown => ({ kind: "account", event }));
    if (this.replay === null) for (const one of shown) if (one.kind === "trade") changes.ticks.push(one.trade);
    for (const one of shown) if (one.kind === "candle") changes.candles.push(one.candle);
    this.write(changes);
    const order = orderNumberOf(clientOrderId ?? changes.fills[0]?.clientOrderId);
    this.failpoints.hit("paper-exchange.committed", { bar: this.barInSight(), ...(order === null ? {} : { order }) });
    const all = this.withForming(shown);
    for (const listener of this.listeners) listener(all);
  }

  private write(changes: Changes): void {
    this.isWritable = false;
    this.store.write(changes, this.position);
    this.isWritable = true;
  }

  /** The bar that prices belong to now: the one in progress, else the last closed one. */
  private barInSight(): number {
    return this.position.points === 0 ? this.position.bar : this.position.bar + 1;
  }

  /** A forming bar is told once a commit, and not where the closed one is told. */
  private withForming(shown: Shown[]): Shown[] {
    const bar = this.replay?.bars[this.position.bar];
    if (this.position.points === 0 || bar === undefined || !shown.some(({ kind }) => kind === "trade")) return shown;
    const trades = tradesOf(bar, this.base.sizeStep).slice(0, this.position.points);
    return [...shown, { kind: "bar", bar, trades, closed: false }];
  }

  private present(): InFile {
    this.inFile ??= this.load();
    return this.inFile;
  }

  private load(): InFile {
    const loaded = this.store.load();
    if (loaded === null) return this.begin();
    this.checkPosition(loaded.cursor);
    const book = createLedger(() => this.instrument, loaded, { latencyMs: this.latencyMs });
    book.charge = this.commission;
    book.cuts = this.cuts;
    const { nowMs: atMs, lastPrice } = loaded.cursor;
    return { position: loaded.cursor, book, candles: this.candlesOf(this.store.candles(), { atMs, price: lastPrice }) };
  }

  private begin(): InFile {
    const atMs = this.replay?.bars[0]?.openAtMs ?? this.clock.nowMs();
    const { base, quote } = this.base;
    const balances = { [base]: "0", [quote]: "0", ...this.balancesAtStart };
    const fresh: LedgerState = {
      cursor: { step: 0, bar: 0, points: 0, lastTradeId: 0, lastPrice: null, nowMs: atMs },
      orders: [],
      fills: [],
      balances: Object.keys(balances).map((asset) => ({ asset, free: "0", locked: "0" })),
      entryCount: 0,
      eventCount: 0,
    };
    const book = createLedger(() => this.instrument, fresh, {
      latencyMs: this.latencyMs,
      deposits: { balances, atMs },
    });
    const changes = book.take();
    changes.candles.push(...(this.synthetic?.history() ?? []));
    const candles = this.candlesOf(changes.candles, { atMs, price: null });
    for (const balance of fresh.balances) changes.balances.add(balance);
    this.store.write(changes, fresh.cursor);
    return { position: fresh.cursor, book, candles };
  }

  private candlesOf(rows: readonly CandleRow[], at: { atMs: number; price: string | null }): Candles | null {
    if (this.synthetic === null) return null;
    return new Candles(rows, { ...at, price: at.price ?? this.synthetic.startPrice });
  }

  private checkPosition(cursor: CursorRow): void {
    if (this.replay === null || cursor.lastTradeId === lastTradeIdOf(cursor)) return;
    throw new AppError("INTERNAL", "permanent", `The file of market ${this.id} does not fit its bars.`);
  }
}

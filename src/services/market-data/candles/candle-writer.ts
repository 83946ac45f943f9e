import type { Logger } from "pino";
import { alerts } from "#services/market-data/alerts.ts";
import type { KeptSeries } from "#services/market-data/series/kept-series.ts";
import {
  type ClosedPrices,
  countOf,
  numbered,
  numberedBefore,
  type Series,
} from "#services/market-data/series/series.ts";
import type { Store } from "#services/market-data/store.ts";
import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { TradedCandle } from "#shared/candles/aggregate.ts";
import { barLinkOf } from "#shared/candles/bar-order.ts";
import type { Candle, VenueBar } from "#shared/domain/candle.ts";
import { type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import type { DataCollectClient } from "#shared/http/clients.ts";
import { event, MARKET_CANDLES } from "#shared/messages/topics.ts";
import type { Deps } from "#shared/service/service.ts";

export interface WriterOptions {
  deps: Pick<Deps, "bus" | "clock" | "db" | "failpoints">;
  store: Store;
  kept: KeptSeries;
  dataCollect: DataCollectClient;
  log: Logger;
}

/** The last trade of a candle of trades. */
type LastTrade = Pick<TradedCandle, "openAtMs" | "lastTradeId">;

/** Bars asked for at once when history is read and when a hole is closed: fewer of a long time frame, which may have to be made. */
export const pageOf = (timeFrame: TimeFrame): number => (timeFrameMs(timeFrame) >= timeFrameMs("1h") ? 100 : 1_000);

/** Stores closed candles, then tells of them; closes holes of a series with the venue's own bars. */
export class CandleWriter {
  readonly #options: WriterOptions;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /**
   * Numbers closed candles behind the head, stores and publishes them. Null: the head was elsewhere. Then nothing was
   * written, and the series is read again at its next use. `tell` false: stored only, as history is, which nobody waits for.
   */
  async add(
    series: Series,
    closed: readonly ClosedPrices[],
    { lastTradeId = null, tell = true }: { lastTradeId?: string | null; tell?: boolean } = {},
  ): Promise<Series | null> {
    const { store, kept, log } = this.#options;
    const candles = numbered(series, closed);
    const newest = candles.at(-1);
    if (newest === undefined) return series;
    if (!(await store.extend(series, { behind: candles, lastTradeId }))) {
      log.info({ instrumentId: series.instrumentId, timeFrame: series.timeFrame }, "head was moved by another process");
      kept.forget(series.instrumentId);
      return null;
    }
    const moved: Series = { ...series, headN: newest.n, headOpenAtMs: newest.openAtMs, lastTradeId };
    kept.note(moved);
    if (tell) this.#tell(candles);
    return moved;
  }

  /** Stored before told: a reader that hears of a candle finds it, and all before it. */
  #tell(candles: readonly Candle[]): void {
    for (const { n } of candles) this.#options.deps.failpoints.hit("market-data.candle-stored", { bar: n });
    this.publish(candles);
  }

  /** Publishes without waiting: a message that gets lost is made good by the repeated head. */
  publish(candles: readonly Candle[]): void {
    const { deps, log } = this.#options;
    if (candles.length === 0) return;
    deps.bus
      .publishVolatile(candles.map((candle) => event(MARKET_CANDLES, candle.instrumentId, "market.candle", candle)))
      .catch((error: unknown) => log.warn({ reason: messageOf(error) }, "candles not published, the head is repeated"));
  }

  /**
   * Brings a series up to the venue's newest closed bar, or with `untilMs` to the last one that closes then or earlier. A
   * series without candles begins with its history. `lastTrade`: which candle ended with which trade, where trades made it;
   * its id is stored with the candle. `mostPages`: it ends after so many, wherever it is. Gives the series as it is then.
   */
  async catchUp(
    series: Series,
    {
      untilMs = Number.POSITIVE_INFINITY,
      mostPages = Number.POSITIVE_INFINITY,
      lastTrade,
    }: { untilMs?: number; mostPages?: number; lastTrade?: LastTrade } = {},
  ): Promise<Series> {
    const { instrumentId, timeFrame, headOpenAtMs } = series;
    let current = series;
    const page = pageOf(timeFrame);
    let fromMs = headOpenAtMs === null ? await this.#beginningOf(series) : headOpenAtMs + 1;
    if (fromMs === null) return series;
    for (let pages = 1; ; pages += 1) {
      const bars = await this.#options.dataCollect.bars({ instrumentId, timeFrame, fromMs, limit: page });
      const { next: wanted, isCut } = goingOn(
        current,
        bars.filter(({ closeAtMs }) => closeAtMs <= untilMs),
      );
      if (isCut) await this.#tellChanged(current);
      const moved = await this.add(current, wanted, {
        // Of a head before that candle no last trade is known: who starts behind it joins half-way.
        lastTradeId:
          lastTrade !== undefined && (wanted.at(-1)?.openAtMs ?? -1) >= lastTrade.openAtMs
            ? lastTrade.lastTradeId
            : null,
        tell: headOpenAtMs !== null,
      });
      const last = bars.at(-1);
      const isEnd = bars.length < page || last === undefined || last.closeAtMs > untilMs;
      if (moved !== null && (isEnd || pages >= mostPages)) return moved;
      current = moved ?? (await this.#reread(current));
      const doneAtMs = moved === null ? current.headOpenAtMs : (last?.openAtMs ?? null);
      if (doneAtMs !== null) fromMs = doneAtMs + 1;
    }
  }

  /**
   * Adds the venue's bars before the first candle until there are `count`, page by page, each stored whole: what is cut off goes
   * on with the next call. A series without candles is left alone. Gives the series as it is then.
   */
  async catchUpBefore(series: Series, count: number): Promise<Series> {
    const { store, kept, dataCollect } = this.#options;
    const { instrumentId, timeFrame } = series;
    let current = series;
    let first = await store.first(current);
    while (first !== null && countOf(current) < count) {
      const limit = Math.min(pageOf(timeFrame), count - countOf(current));
      const bars = await dataCollect.bars({ instrumentId, timeFrame, toMs: first.openAtMs, limit });
      const [oldest] = bars;
      if (oldest === undefined) return current;
      const earlier = numberedBefore(current, usable(current, bars));
      if (await store.extend(current, { before: earlier }))
        current = { ...current, firstN: earlier[0]?.n ?? current.firstN };
      else current = await this.#reread(current);
      kept.note(current);
      // Where none of a page had a trade, the next one is before them.
      first = earlier.length > 0 ? await store.first(current) : { openAtMs: oldest.openAtMs };
    }
    return current;
  }

  /**
   * When the first bar of a series' history opened. Null: the venue has none. It is counted back from the newest bar, bar by
   * bar: a market has nights and weekends, so it cannot be computed.
   */
  async #beginningOf({ instrumentId, timeFrame, history }: Series): Promise<number | null> {
    let beginsAtMs: number | null = null;
    for (let missing = history; missing > 0; ) {
      const range = {
        limit: Math.min(pageOf(timeFrame), missing),
        ...(beginsAtMs === null ? {} : { toMs: beginsAtMs }),
      };
      const bars = await this.#options.dataCollect.bars({ instrumentId, timeFrame, ...range });
      const [first] = bars;
      beginsAtMs = first?.openAtMs ?? beginsAtMs;
      if (first === undefined || first.prevOpenAtMs === null) break;
      missing -= bars.length;
    }
    return beginsAtMs;
  }

  /**
   * The venue lists another past than before. One alert a series; its text names the newest bar that is not listed any more.
   */
  async #tellChanged({ instrumentId, timeFrame, headN, headOpenAtMs }: Series): Promise<void> {
    const { deps, log } = this.#options;
    const text = `The venue does not list the bar of ${instrumentId} ${timeFrame} that opened at ${new Date(headOpenAtMs ?? 0).toISOString()} any more. Its candle ${headN} stays, and the series goes on from what the venue lists.`;
    await deps.db.transaction(async (tx) => {
      await raiseAlert(tx, deps, {
        scope: `series:${instrumentId}/${timeFrame}`,
        kind: alerts.HISTORY_CHANGED,
        text,
        data: { instrumentId, timeFrame, headN, headOpenAtMs },
      });
    });
    log.warn({ instrumentId, timeFrame, headN, headOpenAtMs }, "the venue's history has changed");
  }

  async #reread(series: Series): Promise<Series> {
    const now = await this.#options.store.series(series.instrumentId, series.timeFrame);
    if (now === null) throw new AppError("INTERNAL", "permanent", `The series ${series.instrumentId} is gone.`);
    this.#options.kept.note(now);
    return now;
  }
}

/**
 * The bars of the venue's list that go on behind the head. `isCut`: the venue does not list the head any more. Its next bar
 * follows on the head all the same.
 */
function goingOn(series: Series, bars: readonly VenueBar[]): { next: readonly VenueBar[]; isCut: boolean } {
  const { headOpenAtMs } = series;
  const [first] = bars;
  if (first === undefined || series.source === "trades") return { next: usable(series, bars), isCut: false };
  return { next: bars, isCut: headOpenAtMs !== null && barLinkOf(headOpenAtMs, first) === "hole" };
}

/** Where trades make candles, bars without a trade are left out. */
export function usable({ source }: Pick<Series, "source">, bars: readonly VenueBar[]): readonly VenueBar[] {
  return source === "trades" ? bars.filter(({ volume }) => volume !== "0") : bars;
}

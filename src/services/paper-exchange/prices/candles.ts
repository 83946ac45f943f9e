import { decimal, plain } from "#shared/domain/decimal.ts";
import { candleOpenAtMs, type TimeFrame, timeFrameMs } from "#shared/domain/time-frame.ts";
import type { PublicTrade } from "./replay.ts";

/** The time frames that a synthetic market makes bars of, shortest first. The engine makes others of them. */
export const MADE_FRAMES = ["1s", "1m", "1h", "1d"] as const satisfies readonly TimeFrame[];

/** A bar of a synthetic market, made of its trades. One without a trade has the close before it as all its prices, and no volume. */
export interface CandleRow {
  timeFrame: TimeFrame;
  openAtMs: number;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
  quote: string;
  trades: number;
  closed: boolean;
}

export function closeAtMsOf({ timeFrame, openAtMs }: Pick<CandleRow, "timeFrame" | "openAtMs">): number {
  return openAtMs + timeFrameMs(timeFrame);
}

/** How many closed bars of a time frame are kept. */
export const MOST_KEPT = 20_000;

function empty(timeFrame: TimeFrame, openAtMs: number, price: string): CandleRow {
  const prices = { open: price, high: price, low: price, close: price };
  return { timeFrame, openAtMs, ...prices, volume: "0", quote: "0", trades: 0, closed: false };
}

/** The bars of its time frames, aligned to UTC, closed by the wall clock as Binance closes them: also those without a trade. */
export class Candles {
  readonly #closed = new Map<TimeFrame, CandleRow[]>();
  readonly #forming = new Map<TimeFrame, CandleRow>();

  /** `rows`: what was kept. What formed since the last closed bar is gone where no trade was in it: it begins again, empty. */
  constructor(rows: readonly CandleRow[], begin: { atMs: number; price: string }) {
    for (const row of rows.toSorted((a, b) => a.openAtMs - b.openAtMs)) {
      if (row.closed) this.closed(row.timeFrame).push(row);
      else this.#forming.set(row.timeFrame, row);
    }
    for (const timeFrame of MADE_FRAMES) {
      const last = this.closed(timeFrame).at(-1);
      const next =
        last === undefined
          ? empty(timeFrame, candleOpenAtMs(timeFrame, begin.atMs), begin.price)
          : empty(timeFrame, closeAtMsOf(last), last.close);
      if (!this.#forming.has(timeFrame)) this.#forming.set(timeFrame, next);
    }
  }

  private forming(timeFrame: TimeFrame): CandleRow {
    const row = this.#forming.get(timeFrame);
    if (row === undefined) throw new Error(`No bar of ${timeFrame} forms.`);
    return row;
  }

  /** Oldest first. */
  closed(timeFrame: TimeFrame): CandleRow[] {
    const rows = this.#closed.get(timeFrame) ?? [];
    this.#closed.set(timeFrame, rows);
    return rows;
  }

  /** Takes a trade into the bars that form. What is over by its time has been closed before. */
  add({ price, size }: PublicTrade): CandleRow[] {
    return MADE_FRAMES.map((timeFrame) => {
      const before = this.forming(timeFrame);
      const first = before.trades === 0;
      const value = decimal(price);
      const row: CandleRow = {
        ...before,
        open: first ? price : before.open,
        high: first || value.gt(before.high) ? price : before.high,
        low: first || value.lt(before.low) ? price : before.low,
        close: price,
        volume: plain(decimal(before.volume).plus(size)),
        quote: plain(decimal(before.quote).plus(value.times(size))),
        trades: before.trades + 1,
      };
      this.#forming.set(timeFrame, row);
      return row;
    });
  }

  /** Whether a bar's time is over. */
  isOver(nowMs: number): boolean {
    return MADE_FRAMES.some((timeFrame) => closeAtMsOf(this.forming(timeFrame)) <= nowMs);
  }

  /** Closes what is over, shortest first, and begins what follows, up to `nowMs`. Gives what has changed, in order. */
  closeUntil(nowMs: number): CandleRow[] {
    const changed: CandleRow[] = [];
    for (const timeFrame of MADE_FRAMES) {
      let row = this.forming(timeFrame);
      const oldest = candleOpenAtMs(timeFrame, nowMs) - MOST_KEPT * timeFrameMs(timeFrame);
      while (closeAtMsOf(row) <= nowMs) {
        const closed = { ...row, closed: true };
        this.closed(timeFrame).push(closed);
        changed.push(closed);
        // After a long rest only those bars are made up that are kept.
        row = empty(timeFrame, Math.max(closeAtMsOf(row), oldest), row.close);
      }
      this.#forming.set(timeFrame, row);
      const kept = this.closed(timeFrame);
      kept.splice(0, Math.max(0, kept.length - MOST_KEPT));
    }
    return changed;
  }
}

import type { Logger } from "pino";
import type { Store } from "#services/market-data/store.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { Series } from "./series.ts";

/** How long series are used without looking whether another process has made or changed one. */
const FRESH_MS = 1_000;

interface Kept {
  readAtMs: number;
  series: Map<TimeFrame, Series>;
}

/**
 * The series of the instruments that are worked on here, in memory. An outdated head does no harm: the store refuses to add
 * behind it. Known series are looked up again in the background, so that no candle waits for it.
 */
export class KeptSeries {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #kept = new Map<string, Kept>();
  readonly #reading = new Map<string, Promise<void>>();

  constructor(store: Store, clock: Clock, log: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** The series of an instrument; at once, unless nothing of it is known yet. */
  async of(instrumentId: string): Promise<Series[]> {
    const kept = this.#kept.get(instrumentId);
    if (kept === undefined) {
      await this.#read(instrumentId);
    } else if (this.#clock.monotonicMs() - kept.readAtMs >= FRESH_MS) {
      this.#read(instrumentId).catch((error: unknown) => {
        this.#log.warn({ instrumentId, reason: messageOf(error) }, "series not looked up again");
      });
    }
    return [...(this.#kept.get(instrumentId)?.series.values() ?? [])];
  }

  /** Notes a series as it is in the store. One that is further than what is given stays. */
  note(series: Series): void {
    const known = this.#kept.get(series.instrumentId);
    const before = known?.series.get(series.timeFrame);
    // Both ends go one way alone; what moves the one may have read the other long ago.
    if (before === undefined) known?.series.set(series.timeFrame, series);
    else if (before.headN <= series.headN)
      known?.series.set(series.timeFrame, { ...series, firstN: Math.min(before.firstN, series.firstN) });
    else if (series.firstN < before.firstN) known?.series.set(series.timeFrame, { ...before, firstN: series.firstN });
  }

  forget(instrumentId: string): void {
    this.#kept.delete(instrumentId);
  }

  /** Instruments whose series are in memory. */
  get instrumentIds(): readonly string[] {
    return [...this.#kept.keys()];
  }

  async #read(instrumentId: string): Promise<void> {
    const running = this.#reading.get(instrumentId) ?? this.#readOnce(instrumentId);
    this.#reading.set(instrumentId, running);
    try {
      await running;
    } finally {
      this.#reading.delete(instrumentId);
    }
  }

  async #readOnce(instrumentId: string): Promise<void> {
    const rows = await this.#store.seriesOfInstrument(instrumentId);
    const kept = this.#kept.get(instrumentId) ?? { readAtMs: 0, series: new Map<TimeFrame, Series>() };
    kept.readAtMs = this.#clock.monotonicMs();
    this.#kept.set(instrumentId, kept);
    for (const series of rows) this.note(series);
  }
}

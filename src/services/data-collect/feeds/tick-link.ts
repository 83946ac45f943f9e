import type { Logger } from "pino";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import type { Deps } from "#shared/service/service.ts";
import { createSilence, type Silence } from "./silence.ts";

/** Of a feed of single trades or quotes. */
export interface TickFeedOptions {
  deps: Pick<Deps, "bus" | "clock"> & { exchanges: Pick<Exchanges, "marketData"> };
  log: Logger;
  instrument: Instrument;
  /** How long no frame may come before the venue is asked. A market may be quiet, so the pauses between questions grow. */
  quietAfterMs: number;
  signal: AbortSignal;
}

const LONGEST_PAUSE_MS = 60_000;

/** The connection of a feed whose frames are never due by the clock: followed until the feed ends, made anew on request. */
export class TickLink {
  readonly #options: TickFeedOptions;
  readonly #silence: Silence;
  #connection = new AbortController();

  constructor(options: TickFeedOptions) {
    this.#options = options;
    this.#silence = createSilence({
      lengthMs: 0,
      staleAfterMs: options.quietAfterMs,
      longestPauseMs: LONGEST_PAUSE_MS,
      marketNowMs: null,
      clock: options.deps.clock,
    });
  }

  /** Connects again and again, until the feed's signal aborts. Rejects where the venue refuses. */
  async follow(connect: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      this.#connection = new AbortController();
      await connect(AbortSignal.any([signal, this.#connection.signal]));
    }
  }

  /** A frame came. */
  heard(): void {
    this.#silence.heard();
  }

  /** Whether the venue is to be asked now, since no frame came for a while. */
  isOverdue(): boolean {
    return this.#silence.isOverdue();
  }

  /** The venue has told what no frame of these brought: the connection is made anew, with pauses that grow. */
  connectAnew(frames: "quotes" | "trades"): void {
    const { log, instrument, signal } = this.#options;
    if (signal.aborted || !this.#silence.mayConnect()) return;
    log.warn({ instrumentId: instrument.id }, `stream of ${frames} is silent, connecting again`);
    this.#connection.abort();
  }
}

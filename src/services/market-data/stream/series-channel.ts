import type { Logger } from "pino";
import type { Store } from "#services/market-data/store.ts";
import type { Candle } from "#shared/domain/candle.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { type Channel, type Listener, tellAll } from "./channel.ts";
import type { Snapshot } from "./protocol.ts";

export interface SeriesChannelOptions {
  key: string;
  instrumentId: string;
  timeFrame: TimeFrame;
  store: Pick<Store, "series" | "candles">;
  log: Logger;
  /** The newest forming candle that was heard, of whatever time. */
  forming: () => Candle | null;
}

/** Closed candles that are read at once to close a hole; the readers' buffers empty between two pages. */
const PAGE = 200;

/**
 * The candles of one series, in the order of their numbers. Its head begins with the store's and moves by one candle at a time:
 * to the one that is heard, or to those of the store where one was missed. Whoever joins is given the head and then each step
 * of it, so that nothing is missed and nothing comes twice, however the bus repeats or loses.
 */
export class SeriesChannel implements Channel {
  readonly key: string;
  readonly opened: Promise<boolean>;
  readonly listeners = new Set<Listener>();
  users = 0;
  readonly #options: SeriesChannelOptions;
  /** Number of the newest closed candle that was told; null: it is not known yet. 0: there is none, and 1 is the next one. */
  #headN: number | null = null;
  #head: Candle | null = null;
  /** The highest number of a closed candle that was heard. */
  #heardN = 0;
  #isFilling = false;

  constructor(options: SeriesChannelOptions) {
    this.key = options.key;
    this.#options = options;
    this.opened = this.#open();
  }

  /** Takes a candle of this series in, closed or forming, as it is heard: repeated, out of order, with holes. */
  note(candle: Candle): void {
    if (!candle.closed) {
      if (this.#headN !== null && this.#isBehindHead(candle)) this.#tell(candle);
      return;
    }
    if (this.#isBegunAnew(candle)) [this.#headN, this.#heardN] = [candle.n - 1, candle.n];
    this.#heardN = Math.max(this.#heardN, candle.n);
    if (this.#headN !== null && candle.n === this.#headN + 1) this.#advance(candle);
    else this.#fill();
  }

  snapshot(): Snapshot {
    return { closed: this.#head === null ? [] : [this.#head], forming: this.#standingForming() };
  }

  async #open(): Promise<boolean> {
    const { store, instrumentId, timeFrame } = this.#options;
    const series = await store.series(instrumentId, timeFrame);
    if (series === null) return false;
    const { headN } = series;
    const [head] = headN === 0 ? [] : await store.candles({ instrumentId, timeFrame, fromN: headN, limit: 1 });
    this.#head = head ?? null;
    this.#headN = headN;
    this.#fill();
    return true;
  }

  #advance(candle: Candle): void {
    this.#headN = candle.n;
    this.#head = candle;
    this.#tell(candle);
    // Of a later candle: readers that are behind have just dropped it for this one.
    const forming = this.#standingForming();
    if (forming !== null) this.#tell(forming);
  }

  /** Closes the hole behind the head with what is stored. One that fails is tried again when the head is repeated. */
  #fill(): void {
    if (this.#isFilling || this.#headN === null || this.#heardN <= this.#headN) return;
    this.#isFilling = true;
    const { instrumentId, timeFrame, log } = this.#options;
    this.#readHole(this.#headN)
      .catch((error: unknown) => {
        log.warn(
          { instrumentId, timeFrame, reason: messageOf(error) },
          "candles not streamed yet, they are read again",
        );
      })
      .finally(() => {
        this.#isFilling = false;
      });
  }

  async #readHole(headN: number): Promise<void> {
    const { store, instrumentId, timeFrame } = this.#options;
    for (let readN = headN; readN < this.#heardN && this.users > 0; ) {
      const page = await store.candles({ instrumentId, timeFrame, fromN: readN + 1, limit: PAGE });
      // Candles are heard meanwhile too.
      for (const candle of page) if (candle.n === (this.#headN ?? 0) + 1) this.#advance(candle);
      const movedN = this.#headN ?? 0;
      if (movedN === readN) return;
      readN = movedN;
    }
  }

  /** The series was dropped and made anew: a later candle has a number that an earlier one had. */
  #isBegunAnew({ n, openAtMs }: Candle): boolean {
    return this.#head !== null && n <= this.#head.n && openAtMs > this.#head.openAtMs;
  }

  #standingForming(): Candle | null {
    const forming = this.#options.forming();
    return forming !== null && this.#isBehindHead(forming) ? forming : null;
  }

  #isBehindHead({ openAtMs }: Candle): boolean {
    return this.#head === null || openAtMs > this.#head.openAtMs;
  }

  #tell(candle: Candle): void {
    tellAll(this.listeners, { type: "candle", candle }, candle.closed);
  }
}

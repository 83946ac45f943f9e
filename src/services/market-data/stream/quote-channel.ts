import type { QuoteBoard } from "#services/market-data/quote-board.ts";
import type { Quote } from "#shared/domain/candle.ts";
import { type Channel, type Listener, tellAll } from "./channel.ts";
import type { Snapshot } from "./protocol.ts";

/** The quotes of one instrument: the one that stands, as the board has it, and each change of it. */
export class QuoteChannel implements Channel {
  readonly key: string;
  readonly opened = Promise.resolve(true);
  readonly listeners = new Set<Listener>();
  users = 0;
  readonly #instrumentId: string;
  readonly #board: QuoteBoard;
  #told: Quote | null;

  constructor(key: string, instrumentId: string, board: QuoteBoard) {
    this.key = key;
    this.#instrumentId = instrumentId;
    this.#board = board;
    this.#told = board.find(instrumentId);
  }

  /** Tells what the board has now, where that is another one than was told last. */
  refresh(): void {
    const quote = this.#board.find(this.#instrumentId);
    // One that is repeated is the same.
    if (quote?.receivedAtMs === this.#told?.receivedAtMs) return;
    this.#told = quote;
    tellAll(this.listeners, { type: "quote", instrumentId: this.#instrumentId, quote }, false);
  }

  snapshot(): Snapshot {
    this.refresh();
    return { quote: this.#told };
  }
}

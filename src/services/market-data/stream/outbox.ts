/** What is used of the server's side of a WebSocket. */
export interface Wire {
  /** Bytes that were sent and that the operating system has not taken yet. */
  getBufferedAmount(): number;
  send(text: string): unknown;
  close(code: number, reason: string): void;
}

/** A new state of a channel, as it is sent. Lasting: a closed candle, which a reader that keeps up must not miss. */
export interface Update {
  text: string;
  isLasting: boolean;
}

/** So many bytes may wait for a reader. Some 400 candles; above it even closed ones are left out. */
const MOST_BUFFERED = 131_072;

/**
 * Sends updates to one reader, who may be slow. While bytes wait for it, what passes (a forming candle, a quote) is held back, and
 * with more than MOST_BUFFERED closed candles are too: of each channel the newest alone, so that what a reader costs is bounded,
 * and what it reads next is the newest there is.
 */
export class Outbox {
  readonly #wire: Wire;
  readonly #lasting = new Map<string, string>();
  readonly #passing = new Map<string, string>();

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** Sends an answer, in the order of the calls. One that does not read its answers is closed (1008). */
  answer(text: string): void {
    if (this.#wire.getBufferedAmount() <= MOST_BUFFERED) this.#wire.send(text);
    else this.#wire.close(1008, "Answers are not read: read them before you ask for more.");
  }

  /** Sends an update of a channel, now or once there is room; a newer one takes its place. */
  tell(key: string, { text, isLasting }: Update): void {
    (isLasting ? this.#lasting : this.#passing).set(key, text);
    // What was held back is of a candle that is over.
    if (isLasting) this.#passing.delete(key);
    this.flush();
  }

  /** Sends what was held back, as far as there is room. */
  flush(): void {
    this.#sendAll(this.#lasting, MOST_BUFFERED);
    if (this.#lasting.size === 0) this.#sendAll(this.#passing, 0);
  }

  /** Forgets what was held back of a channel. */
  drop(key: string): void {
    this.#lasting.delete(key);
    this.#passing.delete(key);
  }

  #sendAll(texts: Map<string, string>, mostBuffered: number): void {
    for (const [key, text] of texts) {
      if (this.#wire.getBufferedAmount() > mostBuffered) return;
      texts.delete(key);
      this.#wire.send(text);
    }
  }
}

/**
 * The wall clock and a clock for durations. Core code is given one and never calls `Date.now` itself, so that tests move
 * time by hand. Market time does not come from here: it travels inside the messages.
 */
export interface Clock {
  /** UTC epoch milliseconds, whole. */
  nowMs(): number;
  /** UTC epoch milliseconds with a fraction, comparable between processes of one machine: for latency figures. */
  stampMs(): number;
  /** Milliseconds that only grow, of this process alone: for deadlines. */
  monotonicMs(): number;
  /** Resolves after so many milliseconds, or at once when the signal aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Runs it once after so many milliseconds, unless what it gives back was called: for deadlines, of which most never come. */
  after(ms: number, run: () => void): () => void;
}

import type { Candle } from "#shared/domain/candle.ts";

/** Candles of one series that wait for a session: closed ones by number, and the newest forming one. */
export interface CandleInbox {
  /** Takes a candle in; one that is not after `candleN` is dropped. */
  offer(candle: Candle, candleN: number): void;
  /** Closed candles candleN + 1, candleN + 2 and so on without a gap, at most `limit`. They stay until `drop`. */
  next(candleN: number, limit: number): Candle[];
  /** Whether a closed candle waits that cannot be taken because one before it is missing. */
  hasHole(candleN: number): boolean;
  /** The newest forming candle, when it is the one after `candleN`. It is taken out. */
  takeForming(candleN: number): Candle | null;
  /** Forgets closed candles up to `candleN`. */
  drop(candleN: number): void;
  clear(): void;
}

/** An empty inbox. It keeps at most `capacity` closed candles; what is dropped beyond is read again as a hole. */
export function createCandleInbox(capacity: number): CandleInbox {
  const closed = new Map<number, Candle>();
  let forming: Candle | null = null;
  return {
    offer(candle, candleN) {
      if (candle.n <= candleN) return;
      if (!candle.closed) forming = candle;
      else if (closed.size < capacity || candle.n === candleN + 1) closed.set(candle.n, candle);
    },
    next(candleN, limit) {
      const run: Candle[] = [];
      for (let candle = closed.get(candleN + 1); candle !== undefined && run.length < limit; ) {
        run.push(candle);
        candle = closed.get(candle.n + 1);
      }
      return run;
    },
    hasHole: (candleN) => closed.size > 0 && !closed.has(candleN + 1),
    takeForming(candleN) {
      const candle = forming;
      if (candle === null || candle.n > candleN + 1) return null;
      forming = null;
      return candle.n === candleN + 1 ? candle : null;
    },
    drop(candleN) {
      for (const n of closed.keys()) if (n <= candleN) closed.delete(n);
    },
    clear() {
      closed.clear();
      forming = null;
    },
  };
}

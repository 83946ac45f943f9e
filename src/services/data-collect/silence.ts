import type { Clock } from "#shared/clock/clock.ts";

export interface SilenceOptions {
  /** Length of a bar. */
  lengthMs: number;
  /** How long a bar that is due (a replay: any frame) may stay away. */
  staleAfterMs: number;
  /** The market's time is in its frames alone: a bar is never due by the clock. */
  isReplay: boolean;
  /** The longest pause between two questions; 5 seconds where it is not given. */
  longestPauseMs?: number;
  clock: Clock;
}

/** What the silence of one series' stream means. */
export interface Silence {
  /** The stream is being subscribed to. */
  subscribing(): void;
  /** The venue has acknowledged the subscription. */
  acknowledged(): void;
  /** A frame came, of a closed bar or of one that forms. */
  heard(): void;
  /**
   * Whether the venue is to be asked, with pauses that grow. A wall-clock market: the bar behind the one that closed at
   * `lastCloseAtMs` (null: none is known) is overdue. A replay: no frame came for a while.
   */
  isOverdue(lastCloseAtMs: number | null): boolean;
  /**
   * Since when a bar of a wall-clock market is overdue, until the next frame, or its subscription not acknowledged, until it is
   * (wall clock); null: the stream lives.
   */
  readonly staleSinceMs: number | null;
  /** Whether the connection may be made anew now: with pauses that grow. */
  mayConnect(): boolean;
}

const LONGEST_PAUSE_MS = 5_000;
const LONGEST_CONNECT_PAUSE_MS = 60_000;
/** The connector makes a subscription anew that is not acknowledged within this time. */
const ACKNOWLEDGED_WITHIN_MS = 5_000;

export function createSilence(options: SilenceOptions): Silence {
  const { lengthMs, staleAfterMs, isReplay, longestPauseMs = LONGEST_PAUSE_MS, clock } = options;
  let heardAtMs = clock.monotonicMs();
  let askAtMs = 0;
  let pauseMs = staleAfterMs;
  let connectAtMs = 0;
  let connectPauseMs = staleAfterMs;
  let staleSinceMs: number | null = null;
  /** Wall clock and monotonic; null: it is acknowledged. */
  let subscribing: { sinceMs: number; monotonicMs: number } | null = null;

  const isLate = (lastCloseAtMs: number | null): boolean => {
    if (isReplay) return clock.monotonicMs() - heardAtMs >= staleAfterMs;
    // Where the venue has told no bar at all there is nothing to wait for but the first.
    if (lastCloseAtMs === null) return clock.monotonicMs() - heardAtMs >= lengthMs + staleAfterMs;
    return clock.nowMs() >= lastCloseAtMs + lengthMs + staleAfterMs;
  };

  return {
    subscribing() {
      subscribing ??= { sinceMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
    },
    acknowledged() {
      subscribing = null;
    },
    heard() {
      heardAtMs = clock.monotonicMs();
      pauseMs = staleAfterMs;
      askAtMs = 0;
      staleSinceMs = null;
      connectPauseMs = staleAfterMs;
    },
    isOverdue(lastCloseAtMs) {
      if (!isLate(lastCloseAtMs)) return false;
      if (!isReplay) staleSinceMs ??= clock.nowMs();
      const nowMs = clock.monotonicMs();
      if (nowMs < askAtMs) return false;
      askAtMs = nowMs + pauseMs;
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      return true;
    },
    get staleSinceMs() {
      if (isReplay || subscribing === null) return staleSinceMs;
      const isLateAnswer = clock.monotonicMs() - subscribing.monotonicMs >= ACKNOWLEDGED_WITHIN_MS;
      return staleSinceMs ?? (isLateAnswer ? subscribing.sinceMs : null);
    },
    mayConnect() {
      const nowMs = clock.monotonicMs();
      if (nowMs < connectAtMs) return false;
      connectAtMs = nowMs + connectPauseMs;
      connectPauseMs = Math.min(connectPauseMs * 2, LONGEST_CONNECT_PAUSE_MS);
      return true;
    },
  };
}

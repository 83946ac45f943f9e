import { backoffMs } from "#shared/clock/backoff.ts";
import type { Clock } from "#shared/clock/clock.ts";

export interface SilenceOptions {
  /** Length of a bar. */
  lengthMs: number;
  /** How long a bar that is due (a replay: any frame) may stay away. */
  staleAfterMs: number;
  /** Now by the venue's clock, which the host's may differ from. Null: a replay, whose time is in its frames alone: no bar is ever due. */
  marketNowMs: (() => number) | null;
  /** The longest pause between two questions; 5 seconds where it is not given. */
  longestPauseMs?: number;
  clock: Clock;
}

/** What the silence of one series' stream means, from when the series is wanted: also before its stream is followed. */
export interface Silence {
  /** The stream is being subscribed to. */
  subscribing(): void;
  /** The venue has acknowledged the subscription. */
  acknowledged(): void;
  /** A frame came, of a closed bar or of one that forms. */
  heard(): void;
  /** A closed bar went out, or came and cannot be used: the next one is due. */
  wentOut(closeAtMs: number): void;
  /**
   * Whether the venue is to be asked now; the pauses grow. Live: the bar behind the last one that went out is overdue, or
   * the first one. Replay: no frame came for a while.
   */
  isOverdue(): boolean;
  /**
   * Since when the bars of a live market are stale, by the venue's clock. Null: they are current. "unknown": none has gone
   * out yet, and none is overdue. They are stale from a bar that is overdue until frames and bars have come in time for
   * three times `staleAfterMs`; and while the subscription is not acknowledged. Ask it again and again: it remembers when
   * one was late.
   */
  staleSinceMs(): number | "unknown" | null;
  /** Whether the connection may be made anew now: with pauses that grow. */
  mayConnect(): boolean;
}

const LONGEST_PAUSE_MS = 5_000;
const LONGEST_CONNECT_PAUSE_MS = 60_000;
/** The connector makes a subscription anew that is not acknowledged within this time. */
const ACKNOWLEDGED_WITHIN_MS = 5_000;
/**
 * A bar that is late again within so many times `staleAfterMs` shows that nothing was mended. So it is where frames of bars
 * cannot be read: each bar then comes late, from the venue's list.
 */
const SETTLED_FACTOR = 3;

export function createSilence(options: SilenceOptions): Silence {
  const { lengthMs, staleAfterMs, marketNowMs, longestPauseMs = LONGEST_PAUSE_MS, clock } = options;
  const beganAtMs = marketNowMs?.() ?? 0;
  let lastCloseAtMs: number | null = null;
  let heardAtMs = clock.monotonicMs();
  let askAtMs = 0;
  let questions = 0;
  let connectAtMs = 0;
  let connections = 0;
  /** `sinceMs` by the venue's clock, `seenAtMs` monotonic: when a bar was last seen to be late. */
  let late: { sinceMs: number; seenAtMs: number } | null = null;
  /** The venue's clock and monotonic; null: it is acknowledged. */
  let subscribing: { sinceMs: number; monotonicMs: number } | null = null;

  const lateAtMs = (): number => (lastCloseAtMs ?? beganAtMs) + lengthMs + staleAfterMs;
  const isLate = (): boolean => marketNowMs !== null && marketNowMs() >= lateAtMs();

  function noteLate(): void {
    const nowMs = clock.monotonicMs();
    if (isLate()) late = { sinceMs: late?.sinceMs ?? lateAtMs(), seenAtMs: nowMs };
    else if (late !== null && heardAtMs >= late.seenAtMs && nowMs - late.seenAtMs >= staleAfterMs * SETTLED_FACTOR)
      late = null;
  }

  return {
    subscribing() {
      subscribing ??= { sinceMs: marketNowMs?.() ?? 0, monotonicMs: clock.monotonicMs() };
    },
    acknowledged() {
      subscribing = null;
    },
    heard() {
      heardAtMs = clock.monotonicMs();
      questions = 0;
      askAtMs = 0;
      connections = 0;
    },
    wentOut(closeAtMs) {
      lastCloseAtMs = closeAtMs;
    },
    isOverdue() {
      const nowMs = clock.monotonicMs();
      const isSilent = marketNowMs === null ? nowMs - heardAtMs >= staleAfterMs : isLate();
      if (!isSilent || nowMs < askAtMs) return false;
      questions += 1;
      askAtMs = nowMs + backoffMs({ firstMs: staleAfterMs, longestMs: longestPauseMs }, questions);
      return true;
    },
    staleSinceMs() {
      if (marketNowMs === null) return null;
      noteLate();
      if (late !== null) return late.sinceMs;
      if (subscribing !== null && clock.monotonicMs() - subscribing.monotonicMs >= ACKNOWLEDGED_WITHIN_MS)
        return subscribing.sinceMs;
      return lastCloseAtMs === null ? "unknown" : null;
    },
    mayConnect() {
      const nowMs = clock.monotonicMs();
      if (nowMs < connectAtMs) return false;
      connections += 1;
      connectAtMs = nowMs + backoffMs({ firstMs: staleAfterMs, longestMs: LONGEST_CONNECT_PAUSE_MS }, connections);
      return true;
    },
  };
}

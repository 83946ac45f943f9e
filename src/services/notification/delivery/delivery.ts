import type { Verdict } from "#services/notification/channels/channel.ts";
import { type Backoff, backoffMs } from "#shared/clock/backoff.ts";

/** How a lane gets on. */
export interface Delivery {
  /** All messages up to this number are over. */
  doneSeq: number;
  /** Failures in a row, and since when. */
  failures: number;
  failingSinceMs: number | null;
  /** Whether the channel counts as down, and whether it refused the last message. */
  isDown: boolean;
  isRefusing: boolean;
}

/** A lane of which nothing is known but how far it is: its channel is new. */
export function freshDelivery(doneSeq: number): Delivery {
  return { doneSeq, failures: 0, failingSinceMs: null, isDown: false, isRefusing: false };
}

/** What else there is to do once it is noted what became of some messages. */
export interface Told {
  /** Raise or end the alert of a channel that is down, or that refuses. Undefined: nothing of it changes. */
  down?: boolean;
  refusing?: boolean;
  /** It was down until now: say how many messages were delayed, since this time. */
  delayedSinceMs?: number;
}

/** Messages that are over, in their order, and the failure that ended the row, where one did. */
export interface Tried {
  ended: { seq: number; verdict: Extract<Verdict, { kind: "sent" | "refused" }> }[];
  failure: Extract<Verdict, { kind: "later" }> | null;
}

/** How a lane gets on after some messages. A refusal is an answer too: the channel is not down. */
export function afterTries(
  before: Delivery,
  { ended, failure }: Tried,
  { nowMs, downAfterMs }: { nowMs: number; downAfterMs: number },
): { delivery: Delivery; told: Told } {
  const told: Told = {};
  const delivery = { ...before };
  const last = ended.at(-1);
  if (last !== undefined) {
    delivery.doneSeq = last.seq;
    if (before.isDown) {
      told.down = false;
      told.delayedSinceMs = before.failingSinceMs ?? nowMs;
    }
    Object.assign(delivery, { failures: 0, failingSinceMs: null, isDown: false });
    const hasSent = ended.some(({ verdict }) => verdict.kind === "sent");
    const hasRefused = ended.some(({ verdict }) => verdict.kind === "refused");
    // Each refusal renews the alert, which says of which message it was; what is sent without one ends it.
    if (hasRefused) told.refusing = true;
    else if (before.isRefusing) told.refusing = false;
    delivery.isRefusing = hasRefused || (before.isRefusing && !hasSent);
  }
  if (failure === null) return { delivery, told };
  delivery.failures += 1;
  delivery.failingSinceMs ??= nowMs;
  if (nowMs - delivery.failingSinceMs >= downAfterMs) {
    delivery.isDown = true;
    told.down = true;
  }
  return { delivery, told };
}

const LONGEST_PAUSE_MS = 300_000;

/** The pause before a lane is tried again, in milliseconds: never shorter than what the far side asks for. */
export function pauseMs(
  { failures, firstMs }: { failures: number; firstMs: Backoff["firstMs"] },
  retryAfterMs: number | null,
  random: number,
): number {
  return Math.round(Math.max(backoffMs({ firstMs, longestMs: LONGEST_PAUSE_MS }, failures, random), retryAfterMs ?? 0));
}

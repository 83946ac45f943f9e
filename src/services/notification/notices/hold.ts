import type { Preferences } from "#services/notification/recipients/recipient.ts";
import type { Severity } from "#shared/alerts/alert-kinds.ts";
import { isQuiet, nextAt } from "./local-time.ts";

/** How a recipient stands, as the transaction has locked it. */
export interface Standing {
  /** How many notices are held back, also those that are only counted, and when they become one message. */
  heldCount: number;
  /** How many of them are critical. */
  heldCritical: number;
  releaseAtMs: number | null;
  /** The minute that the throttle counts, and its messages. */
  throttleMinute: number;
  throttleCount: number;
  /** Messages that are not sent yet. */
  waiting: number;
}

/** Whether a notice becomes a message at once, or is held back until a time. */
export type Place = { kind: "send" } | { kind: "hold"; untilMs: number };

/** Of what is held back for a recipient so many are kept to be told; the others are counted. */
export const MOST_HELD = 50;

type Holding = Pick<Preferences, "quietHours" | "digestMinutes" | "throttlePerMinute" | "timeZone">;

const MINUTE_MS = 60_000;

/**
 * Where a notice goes. Critical ones wait for a full lane alone: the throttle counts them and holds back the others. Once something
 * is held, what would follow it is held too, so that the order stays.
 */
export function placeOf(
  preferences: Holding,
  standing: Standing,
  { severity, nowMs, laneLimit }: { severity: Severity; nowMs: number; laneLimit: number },
): Place {
  const { quietHours, timeZone, digestMinutes } = preferences;
  const urgent = severity === "critical";
  if (standing.waiting >= laneLimit) return hold(preferences, nextMinute(nowMs), urgent);
  if (urgent) return { kind: "send" };
  if (isThrottled(preferences, standing, nowMs)) return hold(preferences, nextMinute(nowMs), false);
  if (standing.heldCount > 0) return { kind: "hold", untilMs: standing.releaseAtMs ?? nextMinute(nowMs) };
  if (digestMinutes !== null) return hold(preferences, nowMs + digestMinutes * MINUTE_MS, false);
  if (quietHours !== null && isQuiet(quietHours, timeZone, nowMs)) return hold(preferences, nowMs, false);
  return { kind: "send" };
}

/** The standing once a message more is made. */
export function afterMessage(standing: Standing, nowMs: number): Standing {
  const throttleMinute = Math.floor(nowMs / MINUTE_MS);
  const throttleCount = throttleMinute === standing.throttleMinute ? standing.throttleCount + 1 : 1;
  return { ...standing, throttleMinute, throttleCount, waiting: standing.waiting + 1 };
}

/** The standing once a notice more is held back: the earliest time counts. */
export function afterHeld(standing: Standing, untilMs: number, severity: Severity): Standing {
  const releaseAtMs = Math.min(standing.releaseAtMs ?? Number.POSITIVE_INFINITY, untilMs);
  const heldCritical = standing.heldCritical + (severity === "critical" ? 1 : 0);
  return { ...standing, heldCount: standing.heldCount + 1, heldCritical, releaseAtMs };
}

/** Whether what is held back next is kept to be told, and not only counted. What is critical takes the place of what is not. */
export function isKept({ heldCount, heldCritical }: Standing, severity: Severity): boolean {
  return (severity === "critical" ? heldCritical : heldCount) < MOST_HELD;
}

/** When what is held may be told after all, where it cannot be now; null: now. */
export function heldLonger(
  standing: Standing,
  { nowMs, laneLimit }: { nowMs: number; laneLimit: number },
): number | null {
  return standing.waiting >= laneLimit ? nextMinute(nowMs) : null;
}

/**
 * When what is held is told under preferences that have changed: as if it came now, and no later than before but for quiet hours.
 * Null: nothing is held.
 */
export function heldUntil(
  preferences: Holding,
  standing: Standing,
  { nowMs, laneLimit }: { nowMs: number; laneLimit: number },
): number | null {
  const { heldCount, heldCritical, releaseAtMs } = standing;
  if (heldCount === 0) return null;
  const severity = heldCritical > 0 ? "critical" : "info";
  const place = placeOf(preferences, { ...standing, heldCount: 0 }, { severity, nowMs, laneLimit });
  if (place.kind === "send") return nowMs;
  const untilMs = Math.max(nowMs, Math.min(place.untilMs, releaseAtMs ?? place.untilMs));
  return hold(preferences, untilMs, heldCritical > 0).untilMs;
}

function isThrottled(
  { throttlePerMinute }: Holding,
  { throttleMinute, throttleCount }: Standing,
  nowMs: number,
): boolean {
  if (throttlePerMinute === null || throttleMinute !== Math.floor(nowMs / MINUTE_MS)) return false;
  return throttleCount >= throttlePerMinute;
}

/** Not in quiet hours, but for what is critical. */
function hold({ quietHours, timeZone }: Holding, untilMs: number, urgent: boolean): Place & { kind: "hold" } {
  const quiet = quietHours !== null && !urgent && isQuiet(quietHours, timeZone, untilMs);
  return { kind: "hold", untilMs: quiet ? nextAt(quietHours.to, timeZone, untilMs) : untilMs };
}

function nextMinute(nowMs: number): number {
  return (Math.floor(nowMs / MINUTE_MS) + 1) * MINUTE_MS;
}

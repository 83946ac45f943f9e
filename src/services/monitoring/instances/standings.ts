import type { Beat } from "#shared/messages/topics.ts";
import { BEAT_EVERY_MS } from "#shared/telemetry/heartbeats.ts";

/** A service of a process as it said last, and when that was heard (UTC epoch milliseconds). */
export interface Heard {
  beat: Beat;
  heardAtMs: number;
  /** It was found silent since: it stays so until it says something, also where nobody could be heard meanwhile. */
  missed: boolean;
  /** The instance that has taken its place since. Null: none has. */
  replacedBy: string | null;
}

/**
 * alive: it is heard. silent: it was heard, and is no more. replaced: silent, and another instance of its service has begun since.
 * left: it was stopped in order.
 */
export const STANDINGS = ["alive", "silent", "replaced", "left"] as const;
export type Standing = (typeof STANDINGS)[number];

/** An instance, and how it stands. */
export interface Standings extends Heard {
  standing: Standing;
  /** For how long it has said nothing, in milliseconds; while it is not missed yet, only the time in which it could have been heard. */
  silentMs: number;
}

/** Beats that may be lost before an instance counts as silent. */
export const SILENT_AFTER_MS = 3 * BEAT_EVERY_MS;

/**
 * How each instance stands. Nobody becomes silent who could not be heard: `hearingSinceMs` is since when beats are heard without a gap.
 * Of several that are silent, the one that was heard first is replaced first, each by one that began after that, and for good.
 */
export function standingsOf(
  heard: readonly Heard[],
  { nowMs, hearingSinceMs }: { nowMs: number; hearingSinceMs: number },
): Standings[] {
  const all = heard.map((one): Standings => {
    const fromMs = one.missed ? one.heardAtMs : Math.max(one.heardAtMs, hearingSinceMs);
    const silentMs = Math.max(0, nowMs - fromMs);
    const missed = one.missed || silentMs > SILENT_AFTER_MS;
    const standing = one.replacedBy !== null ? "replaced" : missed ? "silent" : "alive";
    return { ...one, missed, silentMs, standing: one.beat.leaving ? "left" : standing };
  });
  for (const own of Map.groupBy(all, ({ beat }) => beat.service).values()) markReplaced(own);
  return all;
}

function markReplaced(own: readonly Standings[]): void {
  const silent = own.filter(({ standing }) => standing === "silent").toSorted((a, b) => a.heardAtMs - b.heardAtMs);
  const inPlace = new Set(own.map(({ replacedBy }) => replacedBy));
  const alive = own
    .filter(({ standing, beat }) => standing === "alive" && !inPlace.has(beat.instance))
    .toSorted((a, b) => a.beat.startedAtMs - b.beat.startedAtMs);
  for (const one of silent) {
    // It may have died up to a beat after it was heard.
    const index = alive.findIndex(({ beat }) => beat.startedAtMs > one.heardAtMs - BEAT_EVERY_MS);
    const [other] = index < 0 ? [] : alive.splice(index, 1);
    if (other === undefined) continue;
    one.standing = "replaced";
    one.replacedBy = other.beat.instance;
  }
}

import type { VenueBar } from "#shared/domain/candle.ts";

/**
 * Sorts frames behind the last bar (null: none is known), in order. `ready`: each follows the one before by the venue's own
 * times, since it opens when that one closed. `waiting`: from the first that does not on, the venue's list has to say what
 * lies between. What is not after the last bar is left out.
 */
export function chain(last: VenueBar | null, frames: readonly VenueBar[]): { ready: VenueBar[]; waiting: VenueBar[] } {
  const ready: VenueBar[] = [];
  let before = last;
  const later = frames.toSorted((a, b) => a.openAtMs - b.openAtMs);
  for (const [index, frame] of later.entries()) {
    if (before !== null && frame.openAtMs <= before.openAtMs) continue;
    if (before === null || frame.openAtMs !== before.closeAtMs) return { ready, waiting: later.slice(index) };
    const next = { ...frame, prevOpenAtMs: before.openAtMs };
    ready.push(next);
    before = next;
  }
  return { ready, waiting: [] };
}

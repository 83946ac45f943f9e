import type { VenueBar } from "#shared/domain/candle.ts";

// Which bar follows which says the venue, never the length of a time frame: a market has nights and weekends, and a bar that
// was counted on from the one before it would hide a hole. A venue's list names the bar before each (`prevOpenAtMs`). A frame
// of its stream names none: it follows a bar for certain only where it opens when that one closed.

/** Where a bar stands behind the newest one that is kept. */
export type BarLink = "duplicate" | "next" | "hole";

/** The times of a bar that say where it stands. */
type BarTimes = Pick<VenueBar, "openAtMs" | "prevOpenAtMs">;

/**
 * Compares a bar of the venue's list with the newest that is kept (`headOpenAtMs`; null: none yet). duplicate: it, or a later
 * one, is there. next: the bar before it is the head. hole: at least one between them is missing, or the venue does not list
 * the head any more.
 */
export function barLinkOf(headOpenAtMs: number | null, bar: BarTimes): BarLink {
  if (headOpenAtMs !== null && bar.openAtMs <= headOpenAtMs) return "duplicate";
  return bar.prevOpenAtMs === headOpenAtMs ? "next" : "hole";
}

/** The bars that follow the head without a hole, and whether one comes after them. Duplicates are left out. */
export function contiguous<Bar extends BarTimes>(
  headOpenAtMs: number | null,
  bars: readonly Bar[],
): { next: Bar[]; hole: boolean } {
  const next: Bar[] = [];
  let head = headOpenAtMs;
  for (const bar of bars) {
    const link = barLinkOf(head, bar);
    if (link === "hole") return { next, hole: true };
    if (link === "duplicate") continue;
    next.push(bar);
    head = bar.openAtMs;
  }
  return { next, hole: false };
}

/**
 * Sorts frames behind the last bar (null: none is known), in order. `ready`: each opens when the one before it closed, and names
 * that one now. `waiting`: all from the first that does not: the venue's list has to say what lies between. What is not
 * after the last bar is left out.
 */
export function chainFrames(
  last: VenueBar | null,
  frames: readonly VenueBar[],
): { ready: VenueBar[]; waiting: VenueBar[] } {
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

/** Where a bar stands behind the newest one that is kept. */
export type BarLink = "duplicate" | "next" | "hole";

/**
 * Compares a bar with the newest that is kept (`headOpenAtMs`; null: none yet). duplicate: it, or a later one, is there.
 * next: the bar before it is the head. hole: at least one between them is missing, ask the venue before going on.
 */
export function linkOf(headOpenAtMs: number | null, bar: { openAtMs: number; prevOpenAtMs: number | null }): BarLink {
  if (headOpenAtMs !== null && bar.openAtMs <= headOpenAtMs) return "duplicate";
  return bar.prevOpenAtMs === headOpenAtMs ? "next" : "hole";
}

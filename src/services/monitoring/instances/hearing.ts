import type { Beat } from "#shared/messages/topics.ts";
import type { KeptInstance } from "./instance-store.ts";
import { type Heard, SILENT_AFTER_MS } from "./standings.ts";

/** More than any system has: beyond it the ones heard first are forgotten here. */
const MOST_INSTANCES = 2_000;

/** The beats that this process has heard. */
export class Hearing {
  readonly #newest = new Map<string, Heard>();
  #sinceMs = Number.POSITIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** Notes beats in the order in which they came. */
  take(beats: readonly Beat[], nowMs: number): void {
    if (beats.length === 0) return;
    if (!this.hears(nowMs)) this.#sinceMs = nowMs;
    this.#lastMs = nowMs;
    for (const beat of beats) {
      const key = instanceKey(beat);
      const before = this.#newest.get(key);
      // A beat that comes late, or again, says nothing new.
      if (before !== undefined && before.beat.atMs >= beat.atMs) continue;
      this.#newest.delete(key);
      this.#newest.set(key, { beat, heardAtMs: nowMs, missed: false, replacedBy: null });
    }
    for (const key of this.#newest.keys()) {
      if (this.#newest.size <= MOST_INSTANCES) break;
      this.#newest.delete(key);
    }
  }

  /** Whether anybody is heard: this process is among those that beat. */
  hears(nowMs: number): boolean {
    return nowMs - this.#lastMs <= SILENT_AFTER_MS;
  }

  /** Since when beats are heard without a gap; now, while none are. */
  sinceMs(nowMs: number): number {
    return this.hears(nowMs) ? this.#sinceMs : nowMs;
  }

  /** What is known by the rows and by this process together. What only this process knows counts for `forgetMs`. */
  with(rows: readonly KeptInstance[], nowMs: number, forgetMs: number): Heard[] {
    const known = new Map(rows.map((row) => [instanceKey(row.beat), row]));
    for (const [key, own] of this.#newest) {
      const row = known.get(key);
      if (row !== undefined && row.beat.atMs >= own.beat.atMs) {
        known.set(key, { ...row, heardAtMs: Math.max(row.heardAtMs, own.heardAtMs) });
      } else if (row !== undefined || nowMs - own.heardAtMs < forgetMs) known.set(key, { ...own, gone: false });
    }
    return [...known.values()]
      .filter(({ gone }) => !gone)
      .map(({ gone: _gone, ...heard }) => heard)
      .toSorted(
        (a, b) =>
          a.beat.service.localeCompare(b.beat.service) ||
          a.beat.startedAtMs - b.beat.startedAtMs ||
          a.beat.instance.localeCompare(b.beat.instance),
      );
  }
}

/** One text for each service of each process. */
export function instanceKey({ service, instance }: Pick<Beat, "service" | "instance">): string {
  return `${service}/${instance}`;
}

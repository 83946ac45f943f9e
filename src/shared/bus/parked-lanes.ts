import type { LaneHead, ParkedLane } from "./parking.ts";

/** A lane as its owner knows it. */
export interface KnownLane extends ParkedLane {
  /** Of the monotonic clock. Infinity: its head is dead, and holds its key until a person says what becomes of it. */
  dueAtMs: number;
  /** How many of its events are tried in one transaction: one after a failure, then more with each success. */
  size: number;
}

function nameOf({ topic, key }: ParkedLane): string {
  return `${topic}\n${key}`;
}

/**
 * Which keys of a unit are held back, in its owner's memory, so that events of other keys ask nobody. It never knows less
 * than the rows: only the owner parks. What a person has changed is learnt from the rows, a second late.
 */
export class ParkedLanes {
  private readonly lanes = new Map<string, KnownLane>();

  get isEmpty(): boolean {
    return this.lanes.size === 0;
  }

  holds(lane: ParkedLane): boolean {
    return this.lanes.size > 0 && this.lanes.has(nameOf(lane));
  }

  /** Holds a key back, and tries its lane again from `dueAtMs` on. */
  hold({ topic, key }: ParkedLane, dueAtMs: number): void {
    const known = this.lanes.get(nameOf({ topic, key }));
    this.lanes.set(nameOf({ topic, key }), { topic, key, size: known?.size ?? 1, dueAtMs });
  }

  /** Nothing of the lane is left. */
  release(lane: ParkedLane): void {
    this.lanes.delete(nameOf(lane));
  }

  /** When the first lane is to be tried. Infinity: none is. */
  get nextDueAtMs(): number {
    let atMs = Number.POSITIVE_INFINITY;
    for (const { dueAtMs } of this.lanes.values()) atMs = Math.min(atMs, dueAtMs);
    return atMs;
  }

  /** The lane that has waited longest for its try. */
  due(nowMs: number): KnownLane | undefined {
    const atMs = this.nextDueAtMs;
    return atMs > nowMs ? undefined : [...this.lanes.values()].find(({ dueAtMs }) => dueAtMs === atMs);
  }

  /**
   * What the rows say, perhaps of a moment ago. A lane that is not known is held from now on; one that waits for a person is
   * looked at once its head is not dead any more. Nothing is released by it.
   */
  learn(heads: readonly LaneHead[], nowMs: number): void {
    const found = new Map(heads.map((head) => [nameOf(head), head]));
    for (const head of heads) {
      if (this.holds(head)) continue;
      this.hold(head, head.state === "dead" ? Number.POSITIVE_INFINITY : nowMs + head.inMs);
    }
    for (const [name, lane] of this.lanes) {
      if (lane.dueAtMs === Number.POSITIVE_INFINITY && found.get(name)?.state !== "dead") lane.dueAtMs = nowMs;
    }
  }
}

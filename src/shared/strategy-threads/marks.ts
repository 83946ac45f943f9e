import type { BarName } from "#shared/strategy/failing.ts";

/** What a thread is at. idle: nothing of a strategy. bar: one bar. save: a snapshot. slow: a first bar, a warm-up, loading. */
export type Work = "idle" | "bar" | "slow" | "save";

const WORKS: readonly Work[] = ["idle", "bar", "slow", "save"];
const [COUNT, WORK, INSTANCE, BAR, CLOSE, WANTED, HEAP, BASE] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const WORDS = 8;
/** Sizes are shared in kilobytes: as many as there may be fit into 31 bits. */
const KB = 1_024;

/** At no bar. */
export const NO_BAR: BarName = { n: 0, closeAtMs: 0 };

/**
 * A few numbers in memory that a thread and its host share: how often the thread began something, what, for which instance, at
 * which bar, and how much memory it holds. A thread that is busy cannot answer; here its host sees that it stands still or
 * grows, and whose strategy it is at.
 */
export interface Marks {
  /** The thread's side: it begins with something. Tells how large its heap is, where the host wants to know. */
  begin(work: Work, instanceId: number, bar: BarName): void;
  /** The thread's side: it begins with a request, and its heap is so large. */
  base(heapBytes: number): void;
  /** The host's side. `heapBytes`: as measured last in this request, 0 before; `grownBytes`: by how much since its begin. */
  read(): { count: number; work: Work; instanceId: number; bar: BarName; heapBytes: number; grownBytes: number };
  /** The host's side: it wants to know how large the heap is, when the thread next begins with something. */
  wantHeap(): void;
}

/** Memory for the marks of one thread, to be posted to it. */
export function createMarksBuffer(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/**
 * One side's view of the marks. Plain stores: on the hot path, and seen by the other side soon enough for a watch of
 * milliseconds. `measure`: the thread's heap in bytes; it costs as much as many bars, and is asked only where the host wants it.
 */
export function marksOn(buffer: SharedArrayBuffer, measure: () => number = () => 0): Marks {
  const words = new Int32Array(buffer);
  const set = (work: Work, instanceId: number, { n, closeAtMs }: BarName) => {
    words[WORK] = WORKS.indexOf(work);
    words[INSTANCE] = instanceId;
    words[BAR] = n;
    // In seconds, as 32 bits without a sign: until the year 2106.
    words[CLOSE] = (closeAtMs / 1_000) | 0;
    words[COUNT] = ((words[COUNT] as number) + 1) | 0;
  };
  return {
    begin(work, instanceId, bar) {
      if (words[WANTED] === 1) {
        words[WANTED] = 0;
        // It may have to collect garbage first, which is no bar's time.
        set("slow", instanceId, bar);
        words[HEAP] = Math.round(measure() / KB);
      }
      set(work, instanceId, bar);
    },
    base(heapBytes) {
      words[HEAP] = 0;
      words[BASE] = Math.round(heapBytes / KB);
    },
    read() {
      const [count, work, instanceId, n, close] = [COUNT, WORK, INSTANCE, BAR, CLOSE].map((word) =>
        Atomics.load(words, word),
      );
      // Last: it is cleared before another instance is marked.
      const [heap, base] = [HEAP, BASE].map((word) => Atomics.load(words, word));
      const [heapBytes, baseBytes] = [(heap ?? 0) * KB, (base ?? 0) * KB];
      return {
        count: count ?? 0,
        work: WORKS[work ?? 0] ?? "idle",
        instanceId: instanceId ?? 0,
        bar: { n: n ?? 0, closeAtMs: ((close ?? 0) >>> 0) * 1_000 },
        heapBytes,
        grownBytes: heapBytes - baseBytes,
      };
    },
    wantHeap: () => void Atomics.store(words, WANTED, 1),
  };
}

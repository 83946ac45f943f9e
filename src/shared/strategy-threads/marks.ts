/** What a thread is at. idle: nothing of a strategy. bar: one bar. slow: a first bar, a warm-up, loading, a snapshot. */
export type Work = "idle" | "bar" | "slow";

const WORKS: readonly Work[] = ["idle", "bar", "slow"];
const [COUNT, WORK, SEAT, BAR] = [0, 1, 2, 3] as const;

/**
 * Four numbers that a thread and its host share: how often it began something, what, for which seat, at which bar. The
 * host sees in them that a thread which cannot answer stands still, and whose strategy holds it up.
 */
export interface Marks {
  /** The thread's side: it begins with something. */
  begin(work: Work, seat: number, bar: number): void;
  /** The host's side. */
  read(): { count: number; work: Work; seat: number; bar: number };
}

/** Memory for the marks of one thread, to be posted to it. */
export function createMarksBuffer(): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT);
}

/** One side's view of the marks. Plain stores: on the hot path, and seen by the other side soon enough for a watch of milliseconds. */
export function marksOn(buffer: SharedArrayBuffer): Marks {
  const words = new Int32Array(buffer);
  return {
    begin(work, seat, bar) {
      words[WORK] = WORKS.indexOf(work);
      words[SEAT] = seat;
      words[BAR] = bar;
      words[COUNT] = ((words[COUNT] as number) + 1) | 0;
    },
    read: () => ({
      count: Atomics.load(words, COUNT),
      work: WORKS[Atomics.load(words, WORK)] ?? "idle",
      seat: Atomics.load(words, SEAT),
      bar: Atomics.load(words, BAR),
    }),
  };
}

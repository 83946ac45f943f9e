import { gcAndSweep, heapSize } from "bun:jsc";

/** The share of the limit by which the heap grows again before garbage is looked for once more. */
const SHARE = 0.25;

/** Bytes of this thread's heap that are no garbage. */
export function liveHeapBytes(): number {
  gcAndSweep();
  return heapSize();
}

/**
 * How large this thread's heap is. Garbage is left out only where the heap seems to be above the limit: so a size above the
 * limit is held by someone.
 */
export function createHeapMeter(limitBytes: number): () => number {
  let collectAboveBytes = limitBytes;
  return () => {
    const bytes = heapSize();
    if (bytes <= collectAboveBytes) return Math.min(bytes, limitBytes);
    const live = liveHeapBytes();
    collectAboveBytes = Math.max(limitBytes, live + limitBytes * SHARE);
    return live;
  };
}

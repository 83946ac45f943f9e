import type { Running } from "#shared/bus/bus.ts";
import type { RunLane, WakeInfo, Wakeups } from "./queue.ts";

interface Listener {
  concurrency: number;
  run: RunLane;
  running: Set<Promise<void>>;
}

interface LaneQueue {
  /** Lanes that wait, with the most urgent priority they were woken with; in order of their first wake-up. */
  waiting: Map<string, number>;
  active: Set<string>;
  listeners: Set<Listener>;
}

function mostUrgent(queue: LaneQueue): string | undefined {
  let best: string | undefined;
  let bestPriority = Number.POSITIVE_INFINITY;
  for (const [lane, priority] of queue.waiting) {
    // A lane woken while it runs waits for the end of that run.
    if (priority >= bestPriority || queue.active.has(lane)) continue;
    best = lane;
    bestPriority = priority;
  }
  return best;
}

function start(queue: LaneQueue, listener: Listener, lane: string): void {
  queue.waiting.delete(lane);
  queue.active.add(lane);
  const running = listener
    .run(lane, false)
    .then(
      () => undefined,
      () => undefined,
    )
    .then(() => {
      queue.active.delete(lane);
      listener.running.delete(running);
      pump(queue);
    });
  listener.running.add(running);
}

function pump(queue: LaneQueue): void {
  for (;;) {
    const lane = mostUrgent(queue);
    if (lane === undefined) return;
    let free: Listener | undefined;
    for (const listener of queue.listeners) {
      const busier = free === undefined || listener.running.size < free.running.size;
      if (listener.running.size < listener.concurrency && busier) free = listener;
    }
    if (free === undefined) return;
    start(queue, free, lane);
  }
}

/** Wake-ups within this process: for one process alone, and for tests. What fails is left to the rows and the sweeper. */
export function createMemoryWakeups(): Wakeups {
  const queues = new Map<string, LaneQueue>();
  const queueOf = (name: string): LaneQueue => {
    const known = queues.get(name);
    if (known !== undefined) return known;
    const made: LaneQueue = { waiting: new Map(), active: new Set(), listeners: new Set() };
    queues.set(name, made);
    return made;
  };

  return {
    wake(name: string, lane: string, { priority }: WakeInfo) {
      const queue = queueOf(name);
      queue.waiting.set(lane, Math.min(priority, queue.waiting.get(lane) ?? priority));
      // Not at once: who wakes has not returned yet.
      queueMicrotask(() => pump(queue));
    },
    listen(name: string, concurrency: number, run: RunLane): Running {
      const queue = queueOf(name);
      const listener: Listener = { concurrency, run, running: new Set() };
      queue.listeners.add(listener);
      queueMicrotask(() => pump(queue));
      return {
        ready: Promise.resolve(),
        async close() {
          queue.listeners.delete(listener);
          await Promise.all(listener.running);
        },
      };
    },
    async reset() {
      // Nobody else writes here.
    },
    async ping() {
      // It is here.
    },
    async close() {
      for (const queue of queues.values()) {
        const listeners = [...queue.listeners];
        queue.listeners.clear();
        await Promise.all(listeners.flatMap((listener) => [...listener.running]));
      }
    },
  };
}

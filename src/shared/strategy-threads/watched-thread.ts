import type { Clock } from "#shared/clock/clock.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { candleName } from "#shared/strategy/failing.ts";
import { createMarksBuffer, type Marks, marksOn } from "./marks.ts";
import type { ThreadMessage, ThreadRequest, ThreadStart } from "./serve.ts";

/** How long a thread may stand still, and how large it may grow, before it is ended. */
export interface ThreadLimits {
  /** For one bar, milliseconds of wall time. */
  barMs: number;
  /** For a first bar, a bar of the warm-up, loading, a snapshot. */
  slowMs: number;
  /** Bytes of memory for all strategies of a thread together. */
  memoryBytes: number;
}

/** The instance id of what is asked for no strategy, and of an end that is no strategy's. */
export const NOBODY = 0;

/** Why a thread is over. `instanceId`: whose strategy ended it; `NOBODY`: that is not known. `told` is a sentence for a person. */
export interface ThreadEnd {
  instanceId: number;
  told: string;
  /** It was one of those who were in it, though it is not known which one. */
  isInside?: boolean;
}

export interface WatchedThreadOptions {
  /** The module the thread runs; it ends with `serve`. */
  module: URL;
  limits: ThreadLimits;
  clock: Clock;
  /** Memory of the whole process, in bytes. */
  processBytes: () => number;
  /** The threads of this process, this one among them: where several stand still, none can be blamed for memory. */
  allThreads: Set<WatchedThread>;
  /** Told once, in the tick in which everything that was asked is refused. */
  onEnd?: (end: ThreadEnd) => void;
  /** Told after each answer how large the thread's own heap is. */
  onHeap?: (heapBytes: number) => void;
  /** A line that strategy code printed. */
  onPrint?: (instanceId: number, text: string) => void;
}

interface Asked {
  instanceId: number;
  resolve: (value: unknown) => void;
  reject: (error: AppError) => void;
  onNote: ((value: unknown) => void) | undefined;
}

/** How often a thread that was asked something is looked at. */
const LOOK_MS = 50;
/** A strategy in a bar for so many looks is one whose memory may be what grows. */
const SUSPECT_LOOKS = 2;

/** A strategy did what faults its session, or fails its run. */
export function strategyFailed(reason: string, cause?: unknown): AppError {
  return new AppError("STRATEGY_FAILED", "permanent", reason, { cause });
}

/** A thread was ended because of another strategy, or ended by itself: who was in it begins again elsewhere. */
export function threadEnded(told: string): AppError {
  return new AppError("THREAD_ENDED", "transient", told);
}

/**
 * A worker thread that strategies run in, as its host sees it. It is asked, answers in order, and is watched meanwhile: one
 * that stands still beyond its budget or grows beyond its memory is ended at once, whatever it does. The time is counted by
 * looks, so that a process that was frozen as a whole blames nobody.
 */
export class WatchedThread {
  readonly #worker: Worker;
  readonly #marks;
  readonly #asked = new Map<number, Asked>();
  /** The instances that something was ever asked for. */
  readonly #instances = new Set<number>();
  #ids = 0;
  #end: ThreadEnd | null = null;
  #looking: ReturnType<typeof setInterval> | undefined;
  #seen = { count: -1, stillMs: 0, looks: 0, atMs: 0, bytes: 0 };

  constructor(private readonly options: WatchedThreadOptions) {
    const buffer = createMarksBuffer();
    this.#marks = marksOn(buffer);
    this.#worker = new Worker(options.module.href);
    this.#worker.onmessage = ({ data }: MessageEvent<ThreadMessage>) => this.#receive(data);
    this.#worker.onerror = ({ message }) => {
      const mark = this.#marks.read();
      const { work, instanceId } = mark;
      const where = work === "idle" ? "" : ` at ${placeOf(mark)} or before`;
      const told = `A strategy's thread failed${where}: ${errorLine(message)}`;
      this.end(work === "idle" ? { instanceId: NOBODY, told, isInside: true } : { instanceId, told });
    };
    this.#worker.addEventListener("close", () =>
      this.end({ instanceId: NOBODY, told: "A strategy thread ended by itself." }),
    );
    this.#worker.postMessage({ marks: buffer, memoryBytes: options.limits.memoryBytes } satisfies ThreadStart);
    options.allThreads.add(this);
  }

  get ended(): ThreadEnd | null {
    return this.#end;
  }

  /** Whether it has been at one bar for a while. */
  get standsStill(): boolean {
    return this.#asked.size > 0 && this.#seen.looks >= SUSPECT_LOOKS;
  }

  /**
   * Asks, on behalf of an instance. STRATEGY_FAILED: the strategy threw, or held the thread up. THREAD_ENDED (transient): the
   * thread is over for another reason.
   */
  ask(instanceId: number, request: unknown, onNote?: (value: unknown) => void): Promise<unknown> {
    if (this.#end !== null) return Promise.reject(threadEnded(this.#end.told));
    const id = (this.#ids += 1);
    const asked = Promise.withResolvers<unknown>();
    this.#instances.add(instanceId);
    this.#asked.set(id, { instanceId, onNote, ...asked });
    this.#worker.postMessage({ id, request } satisfies ThreadRequest);
    this.#looking ??= this.#watch();
    return asked.promise;
  }

  /** Tells it something that has no answer: it is worked after what was asked before, and its outcome is nobody's. */
  tell(instanceId: number, request: unknown): void {
    this.ask(instanceId, request).catch(() => undefined);
  }

  /** Ends the thread at once. What was asked for the instance that is to blame is STRATEGY_FAILED, all else THREAD_ENDED. */
  end(end: ThreadEnd): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.options.allThreads.delete(this);
    clearInterval(this.#looking);
    this.#worker.terminate();
    for (const { instanceId, reject } of this.#asked.values()) {
      reject(instanceId === end.instanceId && instanceId !== NOBODY ? strategyFailed(end.told) : threadEnded(end.told));
    }
    this.#asked.clear();
    this.options.onEnd?.(end);
  }

  #receive(message: ThreadMessage): void {
    if (message.kind === "print") {
      this.options.onPrint?.(message.instanceId, message.text);
      return;
    }
    if (message.kind === "uncaught") {
      this.#uncaught(message.reason);
      return;
    }
    const asked = this.#asked.get(message.id);
    if (asked === undefined) return;
    if (message.kind === "note") {
      asked.onNote?.(message.value);
      return;
    }
    if (message.kind === "damaged") {
      const told = `The strategy changed ${message.changed}, which all strategies of its thread share; its thread was ended.`;
      this.end({ instanceId: asked.instanceId, told });
      return;
    }
    this.#asked.delete(message.id);
    if (this.#asked.size === 0) this.#rest();
    if (message.kind === "done") asked.resolve(message.value);
    else asked.reject(strategyFailed(message.reason));
    this.options.onHeap?.(message.heapBytes);
  }

  /** A strategy has thrown after its answer, while nothing was asked. */
  #uncaught(reason: string): void {
    const [instanceId = NOBODY, ...others] = this.#instances;
    const told = `strategy threw after its turn had ended: ${reason}; its thread was ended`;
    if (others.length === 0) this.end({ instanceId, told: `The ${told}.` });
    else this.end({ instanceId: NOBODY, told: `A ${told}, and it can not be known which one it was.`, isInside: true });
  }

  #rest(): void {
    clearInterval(this.#looking);
    this.#looking = undefined;
    this.#seen.count = -1;
  }

  #watch(): ReturnType<typeof setInterval> {
    const looking = setInterval(() => this.#look(), LOOK_MS);
    looking.unref();
    return looking;
  }

  #look(): void {
    const { limits, clock, processBytes } = this.options;
    const nowMs = clock.monotonicMs();
    const mark = this.#marks.read();
    const { count, work, instanceId } = mark;
    const seen = this.#seen;
    if (count !== seen.count) {
      this.#seen = { count, stillMs: 0, looks: 0, atMs: nowMs, bytes: processBytes() };
      if (!this.#hasGrown(mark)) this.#marks.wantHeap();
      return;
    }
    // A process that was frozen, or a loop that was late, has seen nothing meanwhile.
    seen.stillMs += Math.min(nowMs - seen.atMs, 2 * LOOK_MS);
    seen.atMs = nowMs;
    seen.looks += 1;
    const at = placeOf(mark);
    const budgetMs = work === "bar" ? limits.barMs : limits.slowMs;
    const blamed = work === "idle" ? NOBODY : instanceId;
    if (seen.stillMs >= budgetMs) {
      const told = `The strategy did not come back from ${at} within its budget of ${budgetMs} ms; its thread was ended.`;
      this.end({ instanceId: blamed, told: blamed === NOBODY ? "A strategy thread stood still and was ended." : told });
    } else if (this.standsStill && processBytes() - seen.bytes > limits.memoryBytes) {
      const others = [...this.options.allThreads].filter((thread) => thread !== this && thread.standsStill).length;
      const grew = `The process grew by more than ${megabytes(limits.memoryBytes)} while the strategy was at ${at}; its thread was ended.`;
      const doubt = others > 0 ? ` ${others} other threads were at work: whose memory it was can not be known.` : "";
      this.end({ instanceId: others > 0 ? NOBODY : blamed, told: `${grew}${doubt}` });
    }
  }

  /**
   * A thread above its limit is ended within a request only where that request made most of it. Else it is weighed
   * afterwards who holds it.
   */
  #hasGrown(mark: ReturnType<Marks["read"]>): boolean {
    const { instanceId, heapBytes, grownBytes } = mark;
    const { memoryBytes } = this.options.limits;
    if (heapBytes <= memoryBytes || grownBytes <= memoryBytes / 2) return false;
    const held = `The strategy's thread held ${megabytes(heapBytes)} at ${placeOf(mark)}, more than ${megabytes(memoryBytes)}`;
    const told = `${held}, ${megabytes(grownBytes)} of them gathered in this turn alone; it was ended.`;
    this.end({ instanceId, told });
    return true;
  }
}

/** What a strategy is at. */
function placeOf({ work, bar }: ReturnType<Marks["read"]>): string {
  if (bar.n === 0) return work === "save" ? "its snapshot()" : "its code being loaded";
  return work === "save" ? `its snapshot() after ${candleName(bar)}` : candleName(bar);
}

/** Memory as a person reads it. */
export const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

/** An uncaught error comes with the source around it. */
function errorLine(message: string): string {
  return /^(?:\w*Error|error): .*$/m.exec(message)?.[0] ?? message;
}

import { hasCode } from "#shared/errors/app-error.ts";
import type { StrategyCheck } from "#shared/strategy/registry.ts";
import type { Catalogue } from "./catalogue.ts";
import type { StrategyInfo } from "./definitions.ts";
import type { BarsOutcome, BarsRequest, InstanceOptions, StrategyInstance } from "./strategy-host.ts";
import { type Suspect, type SuspectGroup, Suspects } from "./suspects.ts";
import type { StrategyAnswers, StrategyRequest } from "./thread.ts";
import type { ThreadHostOptions } from "./thread-host.ts";
import { megabytes, NOBODY, strategyFailed, type ThreadEnd, threadEnded, WatchedThread } from "./watched-thread.ts";

const MODULE = new URL("./thread.ts", import.meta.url);

interface Instance extends Suspect {
  /** Why it was ended, though it had been asked nothing. */
  failure: string | null;
}

/** A worker thread, and the strategies that sessions have in it. */
interface SessionThread {
  worker: WatchedThread;
  instances: Map<number, Instance>;
  /** The sessions that ever were in it: what one left behind is there yet. */
  sessions: Set<string>;
  /** Whose it is alone. Null: it is shared by all. */
  group: SuspectGroup<SessionThread> | null;
  weighing: boolean;
}

/** How often parameters are checked anew when the thread was ended meanwhile. */
const CHECK_TRIES = 5;

let lastInstanceId = 0;
/** Also what asks for no session has an id, so that a thread that is ended over it knows whom to blame. */
const nextInstanceId = () => (lastInstanceId += 1);

const CLOSED = { instanceId: NOBODY, told: "The strategy threads were closed." };

/** The threads that have one set of source files. */
export class Generation {
  catalogue: Catalogue = { strategies: [], faults: [] };
  #threads: readonly SessionThread[] = [];
  #inspector: WatchedThread | null = null;
  /** Those that load a file now. */
  readonly #inspecting = new Set<WatchedThread>();
  readonly #suspects = new Suspects<SessionThread>();

  constructor(private readonly options: ThreadHostOptions & { allThreads: Set<WatchedThread> }) {}

  /** Files that are inspected side by side have a thread each: one that does not come back holds up none. */
  async inspect(file: string): Promise<StrategyInfo[]> {
    const instanceId = nextInstanceId();
    const thread = this.#openInspector();
    this.#inspecting.add(thread);
    try {
      return await ask(thread, instanceId, { kind: "inspect", instanceId, file });
    } finally {
      this.#inspecting.delete(thread);
      if (thread !== this.#inspector) thread.end(CLOSED);
    }
  }

  /** A schema that throws or does not come back refuses, with its words. */
  async check({ name, version, file, texts }: StrategyInfo, params: unknown): Promise<StrategyCheck> {
    for (let tries = 1; ; tries += 1) {
      const instanceId = nextInstanceId();
      try {
        const named = { file, texts, strategy: name, version };
        return await ask(this.#openInspector(), instanceId, { kind: "check", instanceId, ...named, params });
      } catch (error) {
        // The thread was ended over the schema of another strategy.
        if (hasCode(error, "THREAD_ENDED") && tries < CHECK_TRIES) continue;
        if (!hasCode(error, "STRATEGY_FAILED")) throw error;
        return {
          kind: "invalid-params",
          errors: [{ field: "strategy", message: `cannot check its parameters: ${error.message}` }],
        };
      }
    }
  }

  async open({ file, texts, forming }: StrategyInfo, wanted: InstanceOptions): Promise<StrategyInstance> {
    const { sessionId, strategy, version, params, instrument, snapshot } = wanted;
    const thread = this.#threadFor(sessionId);
    const instanceId = nextInstanceId();
    const instance: Instance = { sessionId, strategy, failure: null };
    thread.instances.set(instanceId, instance);
    thread.sessions.add(sessionId);
    let isClosed = false;
    const close = () => {
      isClosed = true;
      if (thread.instances.delete(instanceId) && thread.worker.ended === null)
        this.#closed(thread, instanceId, sessionId);
    };
    const onBars = (request: BarsRequest): Promise<BarsOutcome> => {
      if (instance.failure !== null) return Promise.reject(strategyFailed(instance.failure));
      if (isClosed) return Promise.reject(threadEnded("The strategy was closed."));
      return ask(thread.worker, instanceId, { kind: "bars", instanceId, ...request });
    };
    try {
      const named = { file, texts, strategy, version };
      const request = { kind: "open", instanceId, ...named, params, instrument, snapshot } as const;
      const { warmupBars } = await ask(thread.worker, instanceId, request);
      return { warmupBars, forming, onBars, close };
    } catch (error) {
      close();
      throw error;
    }
  }

  /** No session has a strategy in it. */
  get isEmpty(): boolean {
    return this.#threads.every(({ instances }) => instances.size === 0);
  }

  close(): void {
    this.#inspector?.end(CLOSED);
    for (const thread of this.#inspecting) thread.end(CLOSED);
    for (const { worker } of this.#threads) worker.end(CLOSED);
  }

  /** Where files are inspected and parameters checked: what fails there disturbs no session. */
  #openInspector(): WatchedThread {
    if (this.#inspector === null || this.#inspector.ended !== null || this.#inspecting.has(this.#inspector)) {
      const onPrint = (_instanceId: number, text: string) => this.options.log.info({ text }, "a strategy printed");
      this.#inspector = this.#startWorker({ onPrint });
    }
    return this.#inspector;
  }

  /** A suspect's own; else the shared one with the fewest sessions, a new one while there may be more. */
  #threadFor(sessionId: string): SessionThread {
    const group = this.#suspects.groupOf(sessionId);
    if (group !== null) {
      group.thread ??= this.#addThread(group);
      return group.thread;
    }
    const shared = this.#threads.filter((thread) => thread.group === null);
    if (shared.length < this.options.threads) return this.#addThread(null);
    return shared.reduce((best, thread) => (thread.instances.size < best.instances.size ? thread : best));
  }

  #closed(thread: SessionThread, instanceId: number, sessionId: string): void {
    this.#suspects.acquit(sessionId);
    if (thread.group === null || thread.instances.size > 0)
      thread.worker.tell(instanceId, { kind: "close", instanceId });
    else thread.worker.end({ instanceId: NOBODY, told: "The strategy has left its thread." });
  }

  #ended(thread: SessionThread, { instanceId, told, isInside = false }: ThreadEnd): void {
    this.#threads = this.#threads.filter((other) => other !== thread);
    if (thread.group !== null) thread.group.thread = null;
    const suspects = [...thread.instances.values()];
    const culprit = thread.instances.get(instanceId);
    if (culprit !== undefined) {
      // It may have asked nothing at that moment.
      culprit.failure ??= told;
      for (const { sessionId } of suspects) this.#suspects.acquit(sessionId);
      this.#suspects.gather(suspects.filter((one) => one !== culprit && one.strategy === culprit.strategy));
    } else if (isInside) this.#suspects.split(suspects);
    const { sessionId } = culprit ?? {};
    const others = suspects.length - (sessionId === undefined ? 0 : 1);
    // Closed with all of the engine, or nobody was in it.
    if (suspects.length > 0) this.options.log.warn({ sessionId, others, told }, "a strategy thread was ended");
  }

  #addThread(group: SessionThread["group"]): SessionThread {
    const thread: SessionThread = {
      instances: new Map(),
      sessions: new Set(),
      group,
      weighing: false,
      worker: this.#startWorker({
        onEnd: (end) => this.#ended(thread, end),
        onHeap: (heapBytes) => {
          if (heapBytes > this.options.limits.memoryBytes) void this.#weigh(thread);
        },
        onPrint: (instanceId, text) => {
          const { sessionId, strategy } = thread.instances.get(instanceId) ?? {};
          this.options.log.info({ sessionId, strategy, text }, "a strategy printed");
        },
      }),
    };
    this.#threads = [...this.#threads, thread];
    return thread;
  }

  #startWorker(told: Partial<ConstructorParameters<typeof WatchedThread>[0]>): WatchedThread {
    const { limits, clock, processBytes, allThreads } = this.options;
    return new WatchedThread({ module: MODULE, limits, clock, processBytes, allThreads, ...told });
  }

  /** Ends a thread that has grown too large. Who holds most of it is to blame, if one does. */
  async #weigh(thread: SessionThread): Promise<void> {
    if (thread.weighing) return;
    thread.weighing = true;
    const limitBytes = this.options.limits.memoryBytes;
    const held = await ask(thread.worker, NOBODY, { kind: "weigh", limitBytes }).catch(() => null);
    thread.weighing = false;
    if (held === null) return;
    const grown = `Its thread held ${megabytes(held.heapBytes)}, more than ${megabytes(limitBytes)}, and was ended`;
    const [most] = held.instances;
    const [only] = thread.sessions.size === 1 ? held.instances : [];
    if (most !== undefined && most.bytes > held.heapBytes / 2) {
      thread.worker.end({
        instanceId: most.instanceId,
        told: `The strategy holds ${megabytes(most.bytes)} of memory. ${grown}.`,
      });
    } else if (only !== undefined) {
      const told = `The strategy keeps memory outside of its session, as in a variable of its file. ${grown}.`;
      thread.worker.end({ instanceId: only.instanceId, told });
    } else {
      const strategies = [...new Set([...thread.instances.values()].map(({ strategy }) => strategy))].join(", ");
      const unknown = `no session holds most of it, so it can not be known yet whose it was of ${strategies}`;
      const told = `${grown}; ${unknown}: they go on in threads apart.`;
      thread.worker.end({ instanceId: NOBODY, told, isInside: true });
    }
  }
}

async function ask<Kind extends StrategyRequest["kind"]>(
  thread: WatchedThread,
  instanceId: number,
  request: Extract<StrategyRequest, { kind: Kind }>,
): Promise<StrategyAnswers[Kind]> {
  return (await thread.ask(instanceId, request)) as StrategyAnswers[Kind];
}

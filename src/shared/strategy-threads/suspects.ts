/** Who shares a thread. */
export interface Suspect {
  sessionId: string;
  strategy: string;
}

/** Sessions one of which ended a thread: they get one of their own, apart from all others. */
export interface SuspectGroup<Thread> {
  thread: Thread | null;
}

/** Threads that groups of suspects have of their own, at most. */
const MOST_THREADS = 16;

/**
 * Finds the session that ends threads without a trace of itself, for instance by what its strategy keeps in a module. Those
 * who were in such a thread are halved, by strategies first, and each half goes on in a thread of its own. A few endings
 * later the culprit is alone, and known.
 */
export class Suspects<Thread> {
  readonly #groups = new Map<string, SuspectGroup<Thread>>();

  /** A thread was ended by one of these. */
  split(suspects: readonly Suspect[]): void {
    for (const half of halvesOf(suspects)) {
      const group: SuspectGroup<Thread> = { thread: null };
      for (const { sessionId } of half) this.#groups.set(sessionId, group);
    }
  }

  /** One of their strategy was found: they may do the same, and go on in one thread of their own. */
  gather(suspects: readonly Suspect[]): void {
    const group: SuspectGroup<Thread> = { thread: null };
    for (const { sessionId } of suspects) this.#groups.set(sessionId, group);
  }

  /** The group of a session that has a thread of its own, or may have one now. */
  groupOf(sessionId: string): SuspectGroup<Thread> | null {
    const group = this.#groups.get(sessionId);
    if (group === undefined) return null;
    const threads = new Set([...this.#groups.values()].flatMap(({ thread }) => (thread === null ? [] : [thread])));
    return group.thread !== null || threads.size < MOST_THREADS ? group : null;
  }

  /** A session has ended its work, or was found. */
  acquit(sessionId: string): void {
    this.#groups.delete(sessionId);
  }
}

function halvesOf(suspects: readonly Suspect[]): Suspect[][] {
  const strategies = [...new Set(suspects.map(({ strategy }) => strategy))];
  const keys = strategies.length > 1 ? strategies : suspects.map(({ sessionId }) => sessionId);
  const first = new Set(keys.slice(0, Math.ceil(keys.length / 2)));
  const isFirst = ({ sessionId, strategy }: Suspect) => first.has(strategies.length > 1 ? strategy : sessionId);
  return [suspects.filter(isFirst), suspects.filter((one) => !isFirst(one))];
}

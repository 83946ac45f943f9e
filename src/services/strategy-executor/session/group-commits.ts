import type { OwnedUnit } from "#shared/bus/bus.ts";
import { hasCode } from "#shared/errors/app-error.ts";
import type { Deps } from "#shared/service/service.ts";
import { commitProgress, commitTogether, type Progress } from "./commits.ts";

/** Sessions of one transaction at most. */
const MOST_TOGETHER = 200;
/** Characters of their snapshots as JSON, at most. What goes beyond waits for the next transaction, or has one of its own. */
const MOST_CHARACTERS = 4 * 1024 * 1024;
/** A commit that waits for something holds the next one up for so long, in milliseconds. */
const NEXT_AFTER_MS = 100;

/** What a session's candles have come to, and who waits for its commit. */
interface Waiter {
  unit: OwnedUnit;
  progress: Progress;
  characters: number;
  done: () => void;
  failed: (error: unknown) => void;
}

/**
 * Commits what the candles of many sessions have come to. One that comes alone is committed at once. Those that come during
 * a commit go together in the next one: a close that a thousand sessions wait for is a few transactions. None waits for
 * another's row or fails with it: who cannot go along is committed alone.
 */
export class GroupCommits {
  #waiting: Waiter[] = [];
  #isCommitting = false;

  constructor(private readonly deps: Deps) {}

  /** Resolves once it stands; see `commitProgress` for what it throws. */
  commit(unit: OwnedUnit, progress: Progress): Promise<void> {
    const { promise, resolve: done, reject: failed } = Promise.withResolvers<void>();
    const characters = JSON.stringify(progress.runtime).length;
    this.#waiting.push({ unit, progress, characters, done, failed });
    if (!this.#isCommitting) void this.#commitAll();
    return promise;
  }

  async #commitAll(): Promise<void> {
    this.#isCommitting = true;
    while (this.#waiting.length > 0) {
      const some = this.#commitSome(this.#waiting.splice(0, this.#countOfNext()));
      const next = Promise.withResolvers<void>();
      const callOff = this.deps.clock.after(NEXT_AFTER_MS, next.resolve);
      await Promise.race([some, next.promise]).finally(callOff);
    }
    this.#isCommitting = false;
  }

  /** How many of those that wait, in their order, go together. */
  #countOfNext(): number {
    let characters = 0;
    const tooMany = this.#waiting.findIndex((waiter, index) => {
      characters += waiter.characters;
      return index === MOST_TOGETHER || (index > 0 && characters > MOST_CHARACTERS);
    });
    return tooMany === -1 ? this.#waiting.length : tooMany;
  }

  /** Never rejects: who waits is told. */
  async #commitSome(group: readonly Waiter[]): Promise<void> {
    const [only, ...others] = group;
    if (only !== undefined && others.length === 0) return this.#commitAlone(only);
    try {
      const along = await commitTogether(this.deps, group);
      for (const waiter of group) {
        if (along.has(waiter)) waiter.done();
        else void this.#commitAlone(waiter);
      }
    } catch (error) {
      // What became of it may be unknown: each reads its row again.
      if (hasCode(error, "DATABASE_UNAVAILABLE") && error.kind === "outage")
        for (const { failed } of group) failed(error);
      else for (const waiter of group) void this.#commitAlone(waiter);
    }
  }

  async #commitAlone({ unit, progress, done, failed }: Waiter): Promise<void> {
    try {
      await commitProgress(this.deps, unit, progress);
      done();
    } catch (error) {
      failed(error);
    }
  }
}

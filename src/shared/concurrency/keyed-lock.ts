/** One lock a key: work on a key runs alone, in the order in which it was asked for. Work on other keys does not wait for it. */
export class KeyedLock {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs work once all that was asked for before on this key has ended, well or not. Rejects as the work itself does. */
  async run<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(key);
    const mine = before === undefined ? work() : before.then(work, work);
    this.#last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}

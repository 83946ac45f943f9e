interface Runs<T> {
  running: Promise<T>;
  next: Promise<T> | null;
}

/**
 * Work that many wait for, by key. Who asks while a run is under way shares the next one with all who ask meanwhile. So each
 * gets the outcome of a run that began after it had asked.
 */
export class SharedRuns<T> {
  readonly #runs = new Map<string, Runs<T>>();

  /** Rejects as the work does. `work` is not called where another's is shared. */
  run(key: string, work: () => Promise<T>): Promise<T> {
    const runs = this.#runs.get(key);
    if (runs === undefined) return this.#begin(key, work);
    runs.next ??= runs.running.then(
      () => this.#begin(key, work),
      () => this.#begin(key, work),
    );
    return runs.next;
  }

  #begin(key: string, work: () => Promise<T>): Promise<T> {
    const running = work();
    const runs: Runs<T> = { running, next: null };
    this.#runs.set(key, runs);
    const forget = (): void => {
      if (runs.next === null) this.#runs.delete(key);
    };
    running.then(forget, forget);
    return running;
  }
}

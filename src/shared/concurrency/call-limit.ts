import { AppError } from "#shared/errors/app-error.ts";

export interface CallLimitOptions {
  /** Who is called, for messages. */
  service: string;
  /** So many calls run at once. */
  atOnce: number;
  /** So many more wait; what comes then is refused. */
  inLine: number;
}

/** A semaphore with a bounded line: so many calls of one kind run at once, first come first served. */
export class CallLimit {
  #running = 0;
  readonly #line = new Set<() => void>();

  constructor(private readonly options: CallLimitOptions) {}

  /** Runs a call once there is a place for it. SERVICE_UNAVAILABLE (transient): the line is full. Throws the signal's reason where it aborts before. */
  async run<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.#running < this.options.atOnce) this.#running += 1;
    else await this.#placeFreed(signal);
    try {
      return await call();
    } finally {
      const [next] = this.#line;
      if (next === undefined) this.#running -= 1;
      else {
        this.#line.delete(next);
        next();
      }
    }
  }

  /** Resolves when a call that ends has given its place to this one. */
  async #placeFreed(signal: AbortSignal): Promise<void> {
    const { service, inLine } = this.options;
    if (this.#line.size >= inLine) {
      const text = `The service ${service} is asked too much: ${inLine} requests wait for it already.`;
      throw new AppError("SERVICE_UNAVAILABLE", "transient", text, { details: { service } });
    }
    const freed = Promise.withResolvers<void>();
    const leave = (): void => {
      this.#line.delete(freed.resolve);
      freed.reject(signal.reason);
    };
    this.#line.add(freed.resolve);
    signal.addEventListener("abort", leave, { once: true });
    try {
      await freed.promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }
}

/** The roles that this process tries for and finds free by their rows, by its monotonic clock. */
export class FreeRoles {
  readonly #roles = new Map<string, { sinceMs: number; triedAtMs: number }>();

  constructor(
    private readonly nowMs: () => number,
    private readonly leaseMs: number,
  ) {}

  /** A role is tried for, and its row says that it is free. */
  found(role: string): void {
    const nowMs = this.nowMs();
    const sinceMs = this.#roles.get(role)?.sinceMs ?? nowMs;
    this.#roles.set(role, { sinceMs, triedAtMs: nowMs });
  }

  /** Somebody leads it. */
  led(role: string): void {
    this.#roles.delete(role);
  }

  /**
   * It was free for longer than a lease. A contender's lock ends with a lease, so one that still stands is nobody's. Wrong
   * once at worst, where someone led it in between: then the rows decide.
   */
  isLong(role: string): boolean {
    const sinceMs = this.#roles.get(role)?.sinceMs;
    return sinceMs !== undefined && this.nowMs() - sinceMs > this.leaseMs;
  }

  /** Those that have been free for three leases, and are still tried for. */
  unled(): string[] {
    const nowMs = this.nowMs();
    const unled: string[] = [];
    for (const [role, { sinceMs, triedAtMs }] of this.#roles) {
      if (nowMs - triedAtMs > 3 * this.leaseMs) this.#roles.delete(role);
      else if (nowMs - sinceMs > 3 * this.leaseMs) unled.push(role);
    }
    return unled;
  }
}

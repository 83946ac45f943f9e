import { backoffMs } from "#shared/clock/backoff.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { AppError, hasCode } from "#shared/errors/app-error.ts";

/** A pause that grows with each failure in a row, from 50 ms to `mostMs`, with jitter. */
export class GrowingPause {
  private failures = 0;

  constructor(
    private readonly clock: Clock,
    private readonly mostMs = 5_000,
  ) {}

  reset(): void {
    this.failures = 0;
  }

  /** How often in a row it has failed. */
  get count(): number {
    return this.failures;
  }

  async wait(signal: AbortSignal): Promise<void> {
    this.failures += 1;
    const backoff = { firstMs: 50, longestMs: this.mostMs };
    await this.clock.sleep(backoffMs(backoff, this.failures, Math.random()), signal);
  }
}

/** Whether waiting is all that a failure asks for. */
export function passesByItself(error: unknown): boolean {
  return error instanceof AppError && error.kind !== "permanent";
}

/** Whether a failure is what the design counts on, as a server that restarts or a new owner's fence: nothing is lost, nobody has to act. */
export function isCountedOn(error: unknown): boolean {
  return passesByItself(error) || hasCode(error, "FENCED");
}

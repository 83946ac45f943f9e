import type { Logger } from "pino";
import { backoffMs } from "#shared/clock/backoff.ts";
import type { Clock } from "#shared/clock/clock.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import type { Leader, Leadership } from "./leader.ts";

export interface LeadOptions {
  leader: Pick<Leader, "tryLead">;
  clock: Clock;
  log: Logger;
  /** The pause between tries; grows to eight times of it while tries fail with an error. */
  retryMs: number;
}

/** Leads a role whenever it can until the signal aborts. Resolves when the last `run` has ended and the role is given up. */
export async function leadAgainAndAgain(
  { leader, clock, log, retryMs }: LeadOptions,
  role: string,
  signal: AbortSignal,
  run: (leadership: Leadership) => Promise<void>,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    let leadership: Leadership | null = null;
    try {
      leadership = await leader.tryLead(role);
      // The lease goes on being extended while the run drains; it is given up only after that.
      if (leadership !== null) await run({ ...leadership, signal: AbortSignal.any([leadership.signal, signal]) });
      failures = 0;
    } catch (error) {
      failures += 1;
      log.warn({ role, failures, error: messageOf(error) }, "Leading a role failed; it is tried again");
    }
    await leadership?.release();
    // Jitter, so that contenders do not knock at the same moment.
    const backoff = { firstMs: retryMs, longestMs: 8 * retryMs };
    await clock.sleep(backoffMs(backoff, failures + 1, Math.random()), signal);
  }
}

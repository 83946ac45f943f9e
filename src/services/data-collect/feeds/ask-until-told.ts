import pRetry from "p-retry";
import type { Logger } from "pino";
import { AppError, messageOf } from "#shared/errors/app-error.ts";

/** Asks a venue until it answers, with pauses that grow to five seconds. Rejects when the signal aborts or the venue refuses. */
export async function askUntilTold<Told>(
  ask: () => Promise<Told>,
  { signal, log }: { signal: AbortSignal; log: Logger },
): Promise<Told> {
  // A connection that fails is a TypeError in Bun too, which the retries would take for a fault of this program.
  const asked = () =>
    ask().catch((error: unknown) => {
      throw error instanceof TypeError ? new Error(messageOf(error), { cause: error }) : error;
    });
  return await pRetry(asked, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 100,
    maxTimeout: 5_000,
    factor: 2,
    signal,
    shouldRetry: ({ error }) => !(error instanceof AppError && error.kind === "permanent"),
    onFailedAttempt: ({ error }) => log.warn({ reason: messageOf(error) }, "venue did not answer, asking again"),
  });
}

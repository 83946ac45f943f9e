import type { Candle } from "#shared/domain/candle.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Intent, Signal } from "#shared/domain/signal.ts";
import { uuidFrom } from "#shared/random/uuid-from.ts";

/**
 * The signal that an intent at a candle becomes. Its id comes from session, run and number alone: whoever makes it again
 * makes the same one. Its market time is the candle's close; for a forming candle, which has none yet, the time of its
 * newest trade.
 */
export function signalOf(options: {
  session: Session;
  number: number;
  intent: Intent;
  candle: Candle;
  /** Wall clock with a fraction. */
  createdAtMs: number;
}): Signal {
  const { session, number, intent, candle } = options;
  const marketAtMs = candle.closed ? candle.closeAtMs : (candle.tradedAtMs ?? candle.openAtMs);
  const validity = session.riskPolicy.signalValidityMs;
  return {
    id: signalId(session.id, session.run, number),
    sessionId: session.id,
    run: session.run,
    number,
    instrumentId: candle.instrumentId,
    intent,
    marks: { [candle.instrumentId]: candle.close },
    candleN: candle.n,
    marketAtMs,
    validUntilMs: validity === null ? null : marketAtMs + validity,
    receivedAtMs: candle.receivedAtMs,
    createdAtMs: options.createdAtMs,
  };
}

/** A UUID that session, run and number alone decide. */
export function signalId(sessionId: string, run: number, number: number): string {
  return uuidFrom(`signal ${sessionId} ${run} ${number}`);
}

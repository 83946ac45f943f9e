import type { Candle } from "#shared/domain/candle.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Intent, Signal } from "#shared/domain/signal.ts";

/**
 * The signal that an intent at a candle becomes. Its id comes from session, run and number alone, so that whoever makes it
 * again makes the same one. A forming candle's market time is its newest trade's: its close has not been yet.
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

/** A UUID (version 8, RFC 9562) from the SHA-256 of session, run and number. */
export function signalId(sessionId: string, run: number, number: number): string {
  const digest = new Bun.CryptoHasher("sha256").update(`signal ${sessionId} ${run} ${number}`).digest();
  digest[6] = ((digest[6] as number) & 0x0f) | 0x80;
  digest[8] = ((digest[8] as number) & 0x3f) | 0x80;
  const hex = digest.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

import { DEGRADATIONS, type Degradation } from "#shared/domain/degradation.ts";
import { parseInstrumentId } from "#shared/domain/instrument.ts";
import type { Session } from "#shared/domain/session.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";
import { degradedTo, ofRun, type Readiness } from "./report-rules.ts";

/** What the settings of this process name. */
export type Named = Pick<Exchanges, "venues" | "accounts">;

/** What a session needs and the settings do not name: its venue, and the keys of its account there. */
export function missingSettings(
  { instrumentIds, accountId }: Pick<Session, "instrumentIds" | "accountId">,
  { venues, accounts }: Named,
  nowMs: number,
): Degradation[] {
  const instrumentId = instrumentIds[0] ?? "";
  const venue = parseInstrumentId(instrumentId)?.venue ?? "";
  const account = accounts.find(({ id }) => id === accountId);
  const missing: Degradation[] = [];
  if (!venues.includes(venue)) {
    const text = `R3_VENUES does not name "${venue}", the venue of ${instrumentId}: no prices come, and no order can be sent. Name it again and start the engine anew.`;
    missing.push({ code: "VENUE_NOT_CONFIGURED", sinceMs: nowMs, text });
  }
  if (account?.venue !== venue) {
    const has =
      account === undefined
        ? `no keys of the account "${accountId}"`
        : `the account "${accountId}" at the venue "${account.venue}", but the session trades at "${venue}"`;
    const text = `R3_ACCOUNTS has ${has}: its orders can be neither sent nor canceled, and nothing is heard of them. Mend it and start the engine anew.`;
    missing.push({ code: "ACCOUNT_NOT_CONFIGURED", sinceMs: nowMs, text });
  }
  return missing;
}

/**
 * The session with what the settings lack now and what is dead of it, in place of what was listed before. Undefined: nothing
 * has changed.
 */
export function comparedWithSettings(
  session: Session,
  { named, readiness, dead = null }: { named: Named; readiness: Readiness; dead?: Degradation | null },
  nowMs: number,
): Session | undefined {
  const others = session.degraded.filter(({ code }) => DEGRADATIONS[code].reporter !== "session-manager");
  const list = [...others, ...missingSettings(session, named, nowMs), ...(dead === null ? [] : [dead])];
  return degradedTo(session, { list, waits: ofRun(readiness, session.run).waits }, nowMs);
}

import { noteWaits } from "#services/risk-manager/kill/kill-store.ts";
import type { Tx } from "#shared/db/db.ts";
import type { Session } from "#shared/domain/session.ts";
import { reportFaulted } from "#shared/session-health/report-faulted.ts";
import { reportWaiting } from "#shared/session-health/report-waiting.ts";
import type { DecideDeps } from "./write-decision.ts";

/** Tells why what a session holds is not closed yet: the session that stops, or the kill. Each is written with the transaction. */
export interface FlattenTeller {
  /** It is closed later, when this is over. */
  waits(reason: string): void;
  /** The venue has refused an exit: in words that say that it is tried again. */
  refused(reason: string): void;
  /** Risk has denied it. */
  failed(why: string): void;
  /** An order closes it now. */
  closes(): void;
}

export function tellerOf(
  tx: Tx,
  deps: DecideDeps,
  { session, killId }: { session: Session; killId: string | undefined },
): FlattenTeller {
  return killId === undefined ? ofStop(tx, deps, session) : ofKill(tx, killId, session.id);
}

function ofStop(tx: Tx, { bus, clock }: DecideDeps, session: Session): FlattenTeller {
  const refused = (reason: string) => {
    // Only where the session does not say so yet.
    if (session.stateReason === reason) return;
    reportWaiting(tx, bus, { session, until: "stopped", reason, atMs: clock.nowMs() });
  };
  return {
    waits: (reason) => refused(`${reason} With the stop policy keep the session stops without that.`),
    refused,
    // May be reported again until the session is FAULTED: then it changes nothing.
    failed: (why) =>
      reportFaulted(tx, bus, { session, reason: `The position was not flattened: ${why}`, atMs: clock.nowMs() }),
    closes: () => undefined,
  };
}

function ofKill(tx: Tx, killId: string, sessionId: string): FlattenTeller {
  const note = (waits: string | null) => noteWaits(tx, { killId, sessionId, waits });
  return { waits: note, refused: note, failed: (why) => note(`Risk has denied it: ${why}`), closes: () => note(null) };
}

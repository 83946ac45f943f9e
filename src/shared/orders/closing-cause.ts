// Ids of the decisions by which risk itself closes what a session holds. They are no signals: those have a UUID.

/** The first decision that flattens an instrument in one version of a session that stops. */
export function flattenCauseOf(of: { sessionId: string; run: number; version: number; instrumentId: string }): string {
  return `flatten:${of.sessionId}:${of.run}:${of.version}:${of.instrumentId}`;
}

/** The first decision that flattens an instrument of a session for a kill. */
export function killCauseOf(of: { killId: string; sessionId: string; instrumentId: string }): string {
  return `kill:${of.killId}:${of.sessionId}:${of.instrumentId}`;
}

/** Whether risk has made an order by itself, to close what a session holds: such a one is sent while all is halted. */
export function isClosing(signalId: string): boolean {
  return signalId.startsWith("flatten:") || isOfKill(signalId);
}

/** Whether an order closes what a session holds for a kill: such a one is sent whatever state the session is in. */
export function isOfKill(signalId: string): boolean {
  return signalId.startsWith("kill:");
}

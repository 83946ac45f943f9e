/** What a state of risk is about: one session, one account, or all of them. */
export type RiskTarget = { session: string } | { account: string } | { all: true };

/** As it stands in `reference.risk_states`. */
export function scopeOf(target: RiskTarget): string {
  if ("session" in target) return `session:${target.session}`;
  return "account" in target ? `account:${target.account}` : "all";
}

/** The target of a scope as it stands there. */
export function targetOf(scope: string): RiskTarget {
  const [kind, ...rest] = scope.split(":");
  const id = rest.join(":");
  if (kind === "session") return { session: id };
  return kind === "account" ? { account: id } : { all: true };
}

/** The same in words, at the beginning of a sentence. */
export function sayScope(scope: string): string {
  const target = targetOf(scope);
  if ("session" in target) return `The session ${target.session} is`;
  return "account" in target ? `The account ${target.account} is` : "All accounts are";
}

/**
 * A reason that a person reads and code looks for: what it is by its codes, then a sentence about it. "ABSENT, ACCOUNT_HALTED:
 * the venue has not taken it."
 */
export function codedReason(codes: string | readonly string[], sentence: string): string {
  return `${[codes].flat().join(", ")}: ${sentence}`;
}

/** The codes that a reason begins with. Empty: it has none. */
export function codesOf(reason: string | null): string[] {
  return /^([A-Z_]+(?:, [A-Z_]+)*): /.exec(reason ?? "")?.[1]?.split(", ") ?? [];
}

/**
 * Whether what was decided at a close is not valid any more: its market has gone past its last moment. Null: it is valid for ever,
 * or the market's time is not known.
 */
export function isExpired({ validUntilMs }: { validUntilMs: number | null }, marketAtMs: number | null): boolean {
  return validUntilMs !== null && marketAtMs !== null && marketAtMs > validUntilMs;
}

import type { Degradation } from "#shared/domain/degradation.ts";
import type { DenialCode } from "#shared/domain/signal.ts";

/** The first execution that a session's book is known to lack: a row of `reference.incomplete_books` as JSON. */
export interface BookGap {
  instrument_id: string;
  trade_id: string;
  reason: string;
  /** Wall clock. */
  seen_at_ms: number;
}

/** What is missing, in a sentence that stays the same while it lasts. */
export function sayGap({ instrument_id: instrumentId, trade_id: tradeId, reason }: BookGap): string {
  return `the execution ${tradeId} of ${instrumentId} could not be booked (${reason}). See GET /api/order-position-tracker/unbooked.`;
}

/**
 * Why a session's book is not to be sized from. Null: nothing is known to be missing. What the session itself still tells
 * (`degraded`) counts too: the execution is booked then, and a book that is kept from events may be behind it.
 */
export function whyIncomplete(gap: BookGap | null, degraded: readonly Degradation[]): string | null {
  if (gap !== null) return sayGap(gap);
  return degraded.find(({ code }) => code === "BOOK_INCOMPLETE")?.text ?? null;
}

/**
 * Why a session sends nothing, not even an exit: its book is known to be incomplete, so that any size made from it may be
 * of what others own. Null: nothing is known to be missing.
 */
export function refuseByBook(
  gap: BookGap | null,
  degraded: readonly Degradation[] = [],
): { code: DenialCode; reason: string } | null {
  const reason = whyIncomplete(gap, degraded);
  return reason === null ? null : { code: "BOOK_INCOMPLETE", reason };
}

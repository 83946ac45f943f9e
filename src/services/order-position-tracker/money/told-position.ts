import { type PositionState, positionToJson } from "#shared/accounting/position.ts";
import type { Decimal } from "#shared/domain/decimal.ts";
import type { Position } from "#shared/domain/position.ts";

/** A position as events and REST show it. */
export function toPosition(
  position: PositionState,
  of: { sessionId: string; accountId: string; instrumentId: string; updatedAtMs: number },
): Position {
  return { ...of, ...positionToJson(position) };
}

/** Whether a position is there before and after a change, in the words of its events. */
export function positionEvent(
  before: Decimal,
  after: Decimal,
): "position.opened" | "position.changed" | "position.closed" {
  if (after.isZero()) return "position.closed";
  return before.isZero() ? "position.opened" : "position.changed";
}

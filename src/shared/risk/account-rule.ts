import type { TradingState } from "#shared/domain/account.ts";
import type { DenialCode } from "#shared/domain/signal.ts";

/** Why an account takes no such order now. Null: it takes it. `state` null: no such account is known. */
export function refuseByAccount(
  state: TradingState | null,
  reduces: boolean,
): { code: DenialCode; reason: string } | null {
  if (state === null) return { code: "ACCOUNT_HALTED", reason: "The account is not known here." };
  if (state === "HALTED") return { code: "ACCOUNT_HALTED", reason: "The account takes only cancels." };
  if (state === "REDUCING" && !reduces) {
    return { code: "ACCOUNT_REDUCING", reason: "The account takes only orders that reduce." };
  }
  return null;
}

import { alerts } from "#services/order-position-tracker/alerts.ts";
import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import { codedReason } from "#shared/orders/coded-reason.ts";
import type { Deps } from "#shared/service/service.ts";
import { haltAccount } from "./account-store.ts";

export const IDS_BEGAN_ANEW = "ACCOUNT_IDS_BEGAN_ANEW";

export function idsAlertOf(accountId: string) {
  return { scope: `account:${accountId}`, kind: alerts[IDS_BEGAN_ANEW] };
}

/** Nothing is sent for the account any more but cancels, until a person begins a new era of its ids. */
export async function haltForNewIds(
  deps: Pick<Deps, "db" | "bus" | "clock" | "log">,
  accountId: string,
  instrumentId: string,
): Promise<void> {
  const why = `the venue's ids of ${instrumentId} have begun anew, so that its executions can not be told from those of before.`;
  const reason = codedReason(IDS_BEGAN_ANEW, why);
  await deps.db.transaction(async (tx) => {
    if (!(await haltAccount(tx, accountId, reason, deps.clock.nowMs()))) return;
    await raiseAlert(tx, deps, {
      ...idsAlertOf(accountId),
      text: `The account ${accountId} is HALTED. ${reason} Where its test network was reset, POST /api/order-position-tracker/accounts/${accountId}/new-era takes what was before as closed and lets it trade again.`,
      data: { accountId, instrumentId },
    });
    tx.afterCommit(() => deps.log.error({ accountId, instrumentId }, "account halted: trade ids have begun anew"));
  });
}

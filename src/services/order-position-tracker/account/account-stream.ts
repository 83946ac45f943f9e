import { anyOrderOpen } from "#services/order-position-tracker/orders/order-store.ts";
import type { Parts } from "#services/order-position-tracker/parts.ts";
import { findFaultsWithPosition } from "#services/order-position-tracker/session/fault-watch.ts";
import { hasCode, messageOf, sentenceOf } from "#shared/errors/app-error.ts";
import type { Leadership } from "#shared/leader/leader.ts";
import { createAccountHealth } from "./account-health.ts";
import { createBalanceWatch } from "./balances.ts";
import { createBell } from "./bell.ts";
import { createBookAgain } from "./book-again.ts";
import { ExecutionInbox } from "./execution-inbox.ts";
import { followedInstruments } from "./fill-cursor.ts";
import { type Fence, reconcileInstrument } from "./reconcile.ts";

/** The role of who follows an account's user stream. */
export function accountRole(accountId: string): string {
  return `account:${accountId}`;
}

/** Follows an account while it is led: user stream and reconciliation. Ends when the leadership does. */
export async function followAccount(parts: Parts, accountId: string, leadership: Leadership): Promise<void> {
  const { deps } = parts;
  const { signal } = leadership;
  const wants = createBell(signal);
  const fence: Fence = (tx) => deps.leader.fence(tx, leadership.role, leadership.epoch);
  const inbox = new ExecutionInbox(parts, { accountId, signal, fence, onLeftOut: wants.ring }, createBell(signal));

  const follow = deps.exchanges.account(accountId).follow({
    signal,
    onEvent: (accountEvent) => inbox.put(accountEvent),
    onConnected: wants.ring,
  });

  const balances = createBalanceWatch(parts, accountId, fence);
  const bookAgain = createBookAgain(parts, accountId, fence);
  const health = createAccountHealth(parts, accountId, fence);
  const reconcile = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        health.compared(await reconcileAccount(parts, accountId, fence));
        await bookAgain.run();
        await balances.compare();
      } catch (error) {
        if (hasCode(error, "FENCED")) return;
        health.unreachable(error);
      }
      try {
        await health.report();
        await findFaultsWithPosition(parts, accountId, fence);
      } catch (error) {
        if (hasCode(error, "FENCED")) return;
        deps.log.warn({ accountId, error: messageOf(error) }, "what sessions run without not told, trying again");
      }
      await wants.rung(await pauseMs(parts, accountId));
    }
  };

  await Promise.all([follow, inbox.book(), reconcile()]);
}

/** All instruments of an account, each by itself: one that can not be compared keeps none of the others. Gives those, each with why. */
async function reconcileAccount(parts: Parts, accountId: string, fence: Fence): Promise<Map<string, string>> {
  const { deps, serverClocks, instruments } = parts;
  const failed = new Map<string, string>();
  await serverClocks.measure(accountId);
  for (const instrumentId of await followedInstruments(deps.db, accountId)) {
    try {
      await reconcileInstrument(parts, accountId, await instruments.byId(instrumentId), fence);
    } catch (error) {
      if (hasCode(error, "FENCED")) throw error;
      failed.set(instrumentId, sentenceOf(error));
      deps.log.warn({ accountId, instrumentId, error: messageOf(error) }, "instrument not reconciled");
    }
  }
  return failed;
}

async function pauseMs({ deps, settings }: Parts, accountId: string): Promise<number> {
  try {
    return (await anyOrderOpen(deps.db, accountId))
      ? settings.R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS
      : settings.R3_ORDER_POSITION_TRACKER_RECONCILE_INTERVAL_MS;
  } catch (error) {
    deps.log.warn({ accountId, error: messageOf(error) }, "open orders not counted");
    return settings.R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS;
  }
}

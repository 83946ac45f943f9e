import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { anyOrderOpen } from "#services/order-position-tracker/orders/order-store.ts";
import { createBookAgain } from "#services/order-position-tracker/record/book-again.ts";
import { findFaultsWithPosition } from "#services/order-position-tracker/session/fault-watch.ts";
import { endKillsThatAreOver } from "#services/order-position-tracker/session/kill-watch.ts";
import { hasCode, messageOf, sentenceOf } from "#shared/errors/app-error.ts";
import type { Leadership } from "#shared/leader/leader.ts";
import { createAccountHealth } from "./account-health.ts";
import { createBalanceWatch } from "./balances.ts";
import { ExecutionInbox } from "./execution-inbox.ts";
import { followedInstruments } from "./fill-cursor-store.ts";
import { type Fence, reconcileInstrument } from "./reconcile.ts";
import { createWakeUp } from "./wake-up.ts";

/** The role of who follows an account's user stream. */
export function accountRole(accountId: string): string {
  return `account:${accountId}`;
}

/** Follows an account while it is led: user stream and reconciliation. Ends when the leadership does. */
export async function followAccount(context: TrackerContext, accountId: string, leadership: Leadership): Promise<void> {
  const { deps } = context;
  const { signal } = leadership;
  const due = createWakeUp(deps.clock, signal);
  const fence: Fence = (tx) => deps.leader.fence(tx, leadership.role, leadership.epoch);
  const inbox = new ExecutionInbox(
    context,
    { accountId, signal, fence, onLeftOut: due.wake },
    createWakeUp(deps.clock, signal),
  );

  const follow = deps.exchanges.account(accountId).follow({
    signal,
    onEvent: (accountEvent) => inbox.put(accountEvent),
    onConnected: due.wake,
  });

  const balances = createBalanceWatch(context, accountId, fence);
  const bookAgain = createBookAgain(context, accountId, fence);
  const health = createAccountHealth(context, accountId, fence);
  const reconcile = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        const failed = await reconcileAccount(context, accountId, fence);
        await bookAgain.run();
        await balances.compare();
        health.compared(failed);
      } catch (error) {
        if (hasCode(error, "FENCED")) return;
        health.unreachable(error);
      }
      try {
        await health.report();
        await findFaultsWithPosition(context, accountId, fence);
        await endKillsThatAreOver(context, accountId, fence);
      } catch (error) {
        if (hasCode(error, "FENCED")) return;
        deps.log.warn({ accountId, error: messageOf(error) }, "what sessions run without not told, trying again");
      }
      await due.woken(await pauseMs(context, accountId));
    }
  };

  await Promise.all([follow, inbox.book(), reconcile()]);
}

/** All instruments of an account, each by itself: one that can not be compared keeps none of the others. Gives those, each with why. */
async function reconcileAccount(
  context: TrackerContext,
  accountId: string,
  fence: Fence,
): Promise<Map<string, string>> {
  const { deps, serverClocks, instruments } = context;
  const failed = new Map<string, string>();
  await serverClocks.measure(accountId);
  for (const instrumentId of await followedInstruments(deps.db, accountId)) {
    try {
      await reconcileInstrument(context, accountId, await instruments.byId(instrumentId), fence);
    } catch (error) {
      if (hasCode(error, "FENCED")) throw error;
      failed.set(instrumentId, sentenceOf(error));
      deps.log.warn({ accountId, instrumentId, error: messageOf(error) }, "instrument not reconciled");
    }
  }
  return failed;
}

async function pauseMs({ deps, settings }: TrackerContext, accountId: string): Promise<number> {
  try {
    return (await anyOrderOpen(deps.db, accountId))
      ? settings.R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS
      : settings.R3_ORDER_POSITION_TRACKER_RECONCILE_INTERVAL_MS;
  } catch (error) {
    deps.log.warn({ accountId, error: messageOf(error) }, "open orders not counted");
    return settings.R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS;
  }
}

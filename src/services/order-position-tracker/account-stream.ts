import { hasCode, messageOf } from "#shared/errors/app-error.ts";
import type { AccountEvent } from "#shared/exchange/exchange.ts";
import type { Leadership } from "#shared/leader/leader.ts";
import { followedInstruments } from "./fill-cursor.ts";
import { reportForeign } from "./foreign.ts";
import type { Parts } from "./parts.ts";
import { reconcileInstrument } from "./reconcile.ts";

/** Frames of an account that arrive within so many milliseconds are booked in one transaction. */
const FRAMES_WITHIN_MS = 1;

/** The role of who follows an account's user stream. */
export function accountRole(accountId: string): string {
  return `account:${accountId}`;
}

/** Follows an account while it is led: user stream and reconciliation. Ends when the leadership does. */
export async function followAccount(parts: Parts, accountId: string, leadership: Leadership): Promise<void> {
  const { deps } = parts;
  const { signal } = leadership;
  const inbox: AccountEvent[] = [];
  const news = createBell(signal);
  const wants = createBell(signal);
  const fence = (tx: Parameters<typeof deps.leader.fence>[0]) =>
    deps.leader.fence(tx, leadership.role, leadership.epoch);

  const follow = deps.exchanges.account(accountId).follow({
    signal,
    onEvent: (accountEvent) => {
      if (accountEvent.kind !== "order") return;
      inbox.push(accountEvent);
      news.ring();
    },
    onConnected: wants.ring,
  });

  const book = async (): Promise<void> => {
    while (!signal.aborted) {
      if (inbox.length === 0) {
        await news.rung();
        // What one commit of the venue has caused comes in several frames.
        await deps.clock.sleep(FRAMES_WITHIN_MS, signal);
      }
      const events = inbox.slice();
      if (events.length === 0) continue;
      try {
        await bookEvents(parts, accountId, events, fence);
        inbox.splice(0, events.length);
      } catch (error) {
        if (hasCode(error, "FENCED")) return;
        deps.log.warn({ accountId, error: messageOf(error) }, "executions not booked yet");
        await deps.clock.sleep(200, signal);
      }
    }
  };

  /** One that fails does not keep the others from their turn. */
  const reconcileOne = async (instrumentId: string): Promise<void> => {
    try {
      await reconcileInstrument(parts, accountId, await parts.instruments.byId(instrumentId), fence);
    } catch (error) {
      if (hasCode(error, "FENCED")) throw error;
      deps.log.warn({ accountId, instrumentId, error: messageOf(error) }, "instrument not reconciled");
    }
  };

  const reconcile = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await parts.serverClocks.measure(accountId);
        for (const instrumentId of await followedInstruments(deps.db, accountId)) await reconcileOne(instrumentId);
      } catch (error) {
        if (hasCode(error, "FENCED")) return;
        deps.log.warn({ accountId, error: messageOf(error) }, "account not reconciled");
      }
      await wants.rung(await pauseMs(parts, accountId));
    }
  };

  await Promise.all([follow, book(), reconcile()]);
}

/** All events that wait, in one transaction. A frozen old leader changes nothing: the fence comes first. */
async function bookEvents(
  parts: Parts,
  accountId: string,
  events: readonly AccountEvent[],
  fence: Parameters<typeof reconcileInstrument>[3],
): Promise<void> {
  const { deps, recorder } = parts;
  const told = events.filter((one) => one.kind === "order");
  const fills = told.flatMap(({ order, fill }) =>
    fill === undefined ? [] : [{ ...fill, clientOrderId: order.clientOrderId }],
  );
  const word = await recorder.hear(accountId, { orders: told.map(({ order }) => order), fills });
  await deps.db.transaction(async (tx) => {
    const [, recorded] = await Promise.all([fence(tx), recorder.record(tx, word)]);
    await reportForeign(tx, parts, { accountId, foreign: recorded.foreign, silent: false });
    const first = recorded.fills[0];
    if (first === undefined) return;
    deps.failpoints.hit("tracker.fill-received", { order: first.order.number, sessionId: first.order.sessionId });
  });
}

async function pauseMs({ deps, settings }: Parts, accountId: string): Promise<number> {
  try {
    const rows = await deps.db.sql`
      select 1 from order_position_tracker.orders where account_id = ${accountId} and is_open limit 1`;
    return rows.length > 0
      ? settings.R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS
      : settings.R3_ORDER_POSITION_TRACKER_RECONCILE_INTERVAL_MS;
  } catch (error) {
    deps.log.warn({ accountId, error: messageOf(error) }, "open orders not counted");
    return settings.R3_ORDER_POSITION_TRACKER_OPEN_RECONCILE_INTERVAL_MS;
  }
}

/** Something that is rung from outside and waited for inside; a ring while nobody waits is kept. */
function createBell(signal: AbortSignal) {
  let rings = 0;
  let waiting: (() => void) | null = null;
  const ring = (): void => {
    rings += 1;
    waiting?.();
  };
  signal.addEventListener("abort", ring);
  return {
    ring,
    /** Resolves at the next ring, or after so many milliseconds. */
    async rung(withinMs?: number): Promise<void> {
      if (rings === 0 && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = withinMs === undefined ? undefined : setTimeout(resolve, withinMs);
          waiting = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        waiting = null;
      }
      rings = 0;
    },
  };
}

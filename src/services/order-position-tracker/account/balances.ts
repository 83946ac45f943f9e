import { alerts } from "#services/order-position-tracker/alerts.ts";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { anyOrderOpen } from "#services/order-position-tracker/orders/order-store.ts";
import { clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { Tx } from "#shared/db/db.ts";
import { decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import type { VenueAccount } from "#shared/exchange/exchange.ts";
import { type Amounts, openMismatches, ownedBySessions } from "./account-store.ts";
import type { Fence } from "./reconcile.ts";

/** What the account has at its venue, free or locked by its orders. */
export async function heldAtVenue(account: VenueAccount): Promise<Amounts> {
  const balances = await account.balances();
  return new Map(balances.map(({ asset, free, locked }) => [asset, decimal(free).plus(locked)]));
}

/** What an account has of an asset, what of it its sessions own, and what is left. Below zero: they own more than there is. */
export interface AssetBalance {
  /** Null, and so is what is left: the venue was not asked or did not answer. */
  total: string | null;
  owned: string;
  free: string | null;
}

/** The balances of an account by asset, without those of which there is nothing. `held` null: not known. */
export function balancesOf(owned: Amounts, held: Amounts | null): Record<string, AssetBalance> {
  const there = [...(held ?? [])].filter(([, amount]) => !amount.isZero()).map(([asset]) => asset);
  const assets = [...new Set([...owned.keys(), ...there])].toSorted();
  return Object.fromEntries(
    assets.map((asset) => {
      const [own, total] = [owned.get(asset) ?? ZERO, held === null ? null : (held.get(asset) ?? ZERO)];
      const [shown, free] = total === null ? [null, null] : [plain(total), plain(total.minus(own))];
      return [asset, { total: shown, owned: plain(own), free }];
    }),
  );
}

/** A balance that the sessions own more of than the venue has. */
interface Shortfall {
  asset: string;
  owned: string;
  held: string;
}

/**
 * Compares an account's balances, asset by asset, each time that it is called. Where the venue has less than the sessions own
 * in two readings in a row with the same values, BALANCE_MISMATCH is raised for the asset; one reading alone may have been
 * overtaken by an execution. It is ended by the first reading without it. Where the venue has more, that is someone's own. Not
 * while an order is open: what it has executed may not be booked yet.
 */
export function createBalanceWatch(
  context: TrackerContext,
  accountId: string,
  fence: Fence,
): { compare(): Promise<void> } {
  const { deps } = context;
  let before: readonly Shortfall[] = [];

  /** Null: nothing can be said now. */
  const read = async (): Promise<Shortfall[] | null> => {
    const owned = await ownedBySessions(deps.db, accountId);
    if (await anyOrderOpen(deps.db, accountId)) return null;
    if (owned.size === 0) return [];
    const held = await heldAtVenue(deps.exchanges.account(accountId));
    return [...owned]
      .map(([asset, amount]) => ({ asset, amount, there: held.get(asset) ?? ZERO }))
      .filter(({ amount, there }) => amount.gt(there))
      .map(({ asset, amount, there }) => ({ asset, owned: plain(amount), held: plain(there) }));
  };

  return {
    async compare() {
      const now = await read();
      const twice = (now ?? []).filter((one) => before.some((other) => Bun.deepEquals(one, other)));
      before = now ?? [];
      if (now === null) return;
      const over = (await openMismatches(deps.db, accountId)).filter((scope) => {
        return !now.some(({ asset }) => scope === scopeOf(accountId, asset));
      });
      if (twice.length === 0 && over.length === 0) return;
      await deps.db.transaction(async (tx) => {
        await fence(tx);
        for (const shortfall of twice) await raise(tx, context, accountId, shortfall);
        for (const scope of over) await clearAlert(tx, deps, { scope, kind: alerts.BALANCE_MISMATCH });
      });
    },
  };
}

function scopeOf(accountId: string, asset: string): string {
  return `account:${accountId}/${asset}`;
}

async function raise(tx: Tx, { deps }: TrackerContext, accountId: string, shortfall: Shortfall): Promise<void> {
  const { asset, owned, held } = shortfall;
  await raiseAlert(tx, deps, {
    scope: scopeOf(accountId, asset),
    kind: alerts.BALANCE_MISMATCH,
    text: `The account ${accountId} has ${held} ${asset} at its venue, but its sessions own ${owned} ${asset} by their ledgers. Find out who has moved the difference, and pay it in or stop the sessions.`,
    data: { accountId, ...shortfall },
  });
}

import type { Sql, Tx } from "#shared/db/db.ts";
import { type Decimal, decimal, plain, ZERO } from "#shared/domain/decimal.ts";
import type { VenueAccount } from "#shared/exchange/exchange.ts";
import { ALERTS, event } from "#shared/messages/topics.ts";
import { anyOrderOpen } from "./order-store.ts";
import type { Parts } from "./parts.ts";
import type { Fence } from "./reconcile.ts";

/** Amounts by asset, exact. */
type Amounts = ReadonlyMap<string, Decimal>;

/** What the sessions of an account own by their ledgers. A deleted session owns nothing any more. */
export async function ownedBySessions({ sql }: { sql: Sql }, accountId: string): Promise<Amounts> {
  const rows = await sql<{ asset: string; amount: string }[]>`
    select b.asset, sum(b.amount) as amount from order_position_tracker.balances b
    where b.account_id = ${accountId}
      and not exists (select 1 from reference.sessions s where s.id = b.session_id and s.state = 'DELETED')
    group by b.asset order by b.asset`;
  return new Map(rows.map(({ asset, amount }) => [asset, decimal(amount)]));
}

/** What the account has at its venue, free or locked by its orders. */
export async function heldAtVenue(account: VenueAccount): Promise<Amounts> {
  const balances = await account.balances();
  return new Map(balances.map(({ asset, free, locked }) => [asset, decimal(free).plus(locked)]));
}

/** A balance that the sessions own more of than the venue has. */
interface Shortfall {
  asset: string;
  owned: string;
  held: string;
}

/**
 * Compares an account's balances, asset by asset, each time that it is called. Where the venue has less than the sessions own
 * in two readings in a row with the same values, BALANCE_MISMATCH is raised, once for the same values; one reading alone may
 * have been overtaken by an execution. Where it has more, that is someone's own. Not while an order is open: what it has
 * executed may not be booked yet.
 */
export function createBalanceWatch(parts: Parts, accountId: string, fence: Fence): { compare(): Promise<void> } {
  const { deps } = parts;
  let before: readonly Shortfall[] = [];

  const read = async (): Promise<Shortfall[]> => {
    const owned = await ownedBySessions(deps.db, accountId);
    if (owned.size === 0 || (await anyOrderOpen(deps.db, accountId))) return [];
    const held = await heldAtVenue(deps.exchanges.account(accountId));
    return [...owned]
      .map(([asset, amount]) => ({ asset, amount, there: held.get(asset) ?? ZERO }))
      .filter(({ amount, there }) => amount.gt(there))
      .map(({ asset, amount, there }) => ({ asset, owned: plain(amount), held: plain(there) }));
  };

  return {
    async compare() {
      const now = await read();
      const twice = now.filter((one) => before.some((other) => Bun.deepEquals(one, other)));
      before = now;
      if (twice.length === 0) return;
      await deps.db.transaction(async (tx) => {
        await fence(tx);
        for (const shortfall of twice) {
          if (await isNew(tx, accountId, shortfall)) raise(tx, parts, accountId, shortfall);
        }
      });
    },
  };
}

/** Remembers a shortfall. False: these values are known. */
async function isNew({ sql }: Tx, accountId: string, { asset, owned, held }: Shortfall): Promise<boolean> {
  const rows = await sql`
    insert into order_position_tracker.balance_alerts as a (account_id, asset, owned, held)
    values (${accountId}, ${asset}, ${owned}, ${held})
    on conflict (account_id, asset) do update set owned = excluded.owned, held = excluded.held
    where (a.owned, a.held) is distinct from (excluded.owned, excluded.held) returning 1`;
  return rows.length > 0;
}

function raise(tx: Tx, { deps }: Parts, accountId: string, shortfall: Shortfall): void {
  const { asset, owned, held } = shortfall;
  const scope = `account:${accountId}`;
  deps.bus.publish(tx, [
    event(ALERTS, scope, "alert.raised", {
      scope,
      code: "BALANCE_MISMATCH",
      severity: "critical",
      text: `The account ${accountId} has ${held} ${asset} at its venue, but its sessions own ${owned} ${asset} by their ledgers. Find out who has moved the difference, and pay it in or stop the sessions.`,
      atMs: deps.clock.nowMs(),
      data: { ...shortfall },
    }),
  ]);
}

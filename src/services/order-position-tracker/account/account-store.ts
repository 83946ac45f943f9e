import type { Sql, Tx } from "#shared/db/db.ts";
import { type Decimal, decimal } from "#shared/domain/decimal.ts";
import type { OwnState } from "#shared/risk/risk-state-rule.ts";

/** Amounts by asset, exact. */
export type Amounts = ReadonlyMap<string, Decimal>;

/** What the sessions of an account own by their ledgers. A deleted session owns nothing any more. */
export async function ownedBySessions({ sql }: { sql: Sql }, accountId: string): Promise<Amounts> {
  const rows = await sql<{ asset: string; amount: string }[]>`
    select b.asset, sum(b.amount) as amount from order_position_tracker.balances b
    where b.account_id = ${accountId}
      and not exists (select 1 from reference.sessions s where s.id = b.session_id and s.state = 'DELETED')
    group by b.asset order by b.asset`;
  return new Map(rows.map(({ asset, amount }) => [asset, decimal(amount)]));
}

/** What is booked of one asset of an account. */
interface Booked {
  /** What its sessions own; a deleted one owns nothing any more. */
  owned: Decimal;
  /** What executions have taken of it in all, which only grows. */
  spent: Decimal;
}

/** What is booked of an asset, all of it read at one moment. */
export async function bookedOf({ sql }: { sql: Sql }, accountId: string, asset: string): Promise<Booked> {
  const [row] = await sql<{ owned: string; spent: string }[]>`
    select coalesce(sum(b.amount) filter (where s.state is distinct from 'DELETED'), 0) as owned,
      coalesce(sum(b.spent), 0) as spent
    from order_position_tracker.balances b left join reference.sessions s on s.id = b.session_id
    where b.account_id = ${accountId} and b.asset = ${asset}`;
  return { owned: decimal(row?.owned ?? "0"), spent: decimal(row?.spent ?? "0") };
}

/** The scopes of the open alerts BALANCE_MISMATCH of an account. */
export async function openMismatches({ sql }: { sql: Sql }, accountId: string): Promise<string[]> {
  const rows = await sql<{ scope: string }[]>`
    select scope from alerts.open
    where code = 'BALANCE_MISMATCH' and data ->> 'accountId' = ${accountId} order by scope`;
  return rows.map(({ scope }) => scope);
}

/** What an account is by itself, and its era. One that has no row yet is ACTIVE. */
export async function readOwnState({ sql }: { sql: Sql }, id: string): Promise<OwnState & { era: number }> {
  const [row] = await sql<Omit<OwnState & { era: number }, "id">[]>`
    select trading_state as "tradingState", state_reason as reason, era from reference.accounts where id = ${id}`;
  return { id, ...(row ?? { tradingState: "ACTIVE", reason: null, era: 0 }) };
}

/** Halts an account. False: it was halted before, and keeps the reason that it has. */
export async function haltAccount({ sql }: Tx, accountId: string, reason: string, atMs: number): Promise<boolean> {
  const changed = await sql`
    update reference.accounts set trading_state = 'HALTED', state_reason = ${reason}, updated_at_ms = ${atMs}
    where id = ${accountId} and state_reason is null returning 1`;
  return changed.length > 0;
}

/**
 * Locks the row of an account, and makes it where there is none. It is sent at once. What is asked right behind it is read once
 * the lock is held, and so after whoever held it before.
 */
export function lockAccount({ sql }: Tx, of: { accountId: string; venue: string; atMs: number }): Promise<unknown> {
  return Promise.all([
    sql`
      insert into reference.accounts (id, venue, updated_at_ms) values (${of.accountId}, ${of.venue}, ${of.atMs})
      on conflict (id) do nothing`.execute(),
    sql`select 1 from reference.accounts where id = ${of.accountId} for no key update`.execute(),
  ]);
}

import type { Db, Sql, Tx } from "#shared/db/db.ts";

// All SQL of the leadership tables. Times are of the Postgres clock alone.

/** The roles that this holder may try for: those that are free or have run out, and its own from before. One cheap read. */
export async function freeRoles(sql: Sql, holder: string, roles: readonly string[]): Promise<Set<string>> {
  const taken = await sql<{ role: string }[]>`
    select role from leadership.leases
    where role = any(${[...roles]}::text[]) and lease_until > clock_timestamp() and holder <> ${holder}`;
  const free = new Set(roles);
  for (const { role } of taken) free.delete(role);
  return free;
}

/**
 * Takes the lease and then the epoch, in one statement: the epoch is written from the row that the lease gave. It waits for
 * writers that hold the epoch FOR SHARE. Gives the new epoch; undefined: someone else holds the lease.
 */
export async function takeOver(
  tx: Tx,
  role: string,
  { holder, leaseMs }: { holder: string; leaseMs: number },
): Promise<number | undefined> {
  const [row] = await tx.sql<{ epoch: number }[]>`
    with taken as (
      insert into leadership.leases as l (role, holder, lease_until)
      values (${role}, ${holder}, clock_timestamp() + ${leaseMs}::float8 * interval '1 ms')
      on conflict (role) do update set holder = excluded.holder, lease_until = excluded.lease_until
      where l.lease_until <= clock_timestamp() or l.holder = excluded.holder
      returning role
    )
    insert into leadership.epochs as e (role, epoch) select role, 1 from taken
    on conflict (role) do update set epoch = e.epoch + 1
    returning epoch`;
  return row?.epoch;
}

/**
 * Extends what is still held, in one statement. A row that someone has locked is left out rather than waited for, so that
 * one disputed role never delays the others. Resolves with the roles that were extended.
 */
export async function extendLeases(db: Db, holder: string, leaseMs: number, roles: string[]): Promise<Set<string>> {
  const rows = await db.urgentSql<{ role: string }[]>`
    update leadership.leases l set lease_until = clock_timestamp() + ${leaseMs}::float8 * interval '1 ms'
    from (
      select role from leadership.leases
      where role = any(${roles}::text[]) and holder = ${holder} and lease_until > clock_timestamp()
      for no key update skip locked
    ) mine
    where l.role = mine.role
    returning l.role`;
  return new Set(rows.map(({ role }) => role));
}

/** Gives roles up: anyone may take them from now on. */
export async function endLeases(db: Db, holder: string, roles: readonly string[]): Promise<void> {
  await db.sql`
    update leadership.leases set lease_until = clock_timestamp()
    where role = any(${[...roles]}::text[]) and holder = ${holder}`;
}

/** Holds the epoch to the end of the transaction; FENCED unless it still is this one. May be left without an await. */
export function fenceEpoch(tx: Tx, role: string, epoch: number): Promise<void> {
  const fenced = tx.sql`select leadership.fence(${role}, ${epoch})`.execute().then(() => undefined);
  // Of one that is not waited for: the transaction fails with it.
  fenced.catch(() => undefined);
  return fenced;
}

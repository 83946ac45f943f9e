import type { Sql } from "#shared/db/db.ts";

/** Who leads a role. */
export interface RoleLeader {
  role: string;
  /** The process, as its heartbeats name it (`instance`); one that has given the role up, or lost it, where it is not led. */
  holder: string;
  /** How often the role has changed hands so far, the first time included. */
  epoch: number;
  /** Whether its lease runs, by the clock of Postgres. */
  isLed: boolean;
}

/** Every role that was ever led, by its name. */
export async function readLeaders(sql: Sql): Promise<RoleLeader[]> {
  const rows = await sql<RoleLeader[]>`
    select role, holder, epoch, lease_until > clock_timestamp() as "isLed"
    from leadership.leases join leadership.epochs using (role) order by role`;
  return [...rows];
}

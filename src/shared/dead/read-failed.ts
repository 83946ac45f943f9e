import type { Sql } from "#shared/db/db.ts";

/** What of a service's events and tasks has failed. */
export interface FailedWork {
  /** The group of the events and the queue of the tasks have its name. */
  service: string;
  /** Those that are tried again by themselves, and the events that wait behind them. */
  parked: number;
  /** Those that nobody tries until a person decides. */
  dead: number;
}

/** By service; one where nothing has failed is left out. */
export async function readFailed(sql: Sql): Promise<FailedWork[]> {
  const rows = await sql<FailedWork[]>`
    select service, count(*) filter (where not is_dead)::int as parked, count(*) filter (where is_dead)::int as dead
    from (
      select group_name as service, state = 'dead' as is_dead from bus.parked
      union all
      select queue, state = 'dead' from queue.tasks where state = 'dead' or (state = 'open' and failures > 0)
    ) failed
    group by service order by service`;
  return [...rows];
}

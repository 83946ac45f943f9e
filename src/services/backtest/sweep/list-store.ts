import type { Sql } from "#shared/db/db.ts";
import type { Figure, SweepRun } from "./contract.ts";

/** Which runs of a sweep, and in which order. */
export interface RunsQuery {
  sweepId: string;
  state: SweepRun["state"] | undefined;
  sort: Figure;
  descending: boolean;
  limit: number;
  /** The figure, as text, and the number of the last run of the page before. Figure null: that run had none. */
  after: readonly [figure: string | null, number: number] | null;
}

/** A run, and the figure that it is sorted by as text. */
export type SortedRun = SweepRun & { figure: string | null };

/** The runs of a sweep by a figure; those without one come last, and equal ones in the order of their numbers. */
export async function listSweepRuns(sql: Sql, query: RunsQuery): Promise<SortedRun[]> {
  const { sweepId, state, sort, descending, limit, after } = query;
  const figure = sort === "number" ? sql`number::numeric` : sql`(statistics ->> ${sort})::numeric`;
  const order = descending ? sql`desc` : sql`asc`;
  return await sql<SortedRun[]>`
    select number, state, params, statistics, denials, error, finished_at_ms as "finishedAtMs", runs.figure::text as figure
    from (select *, ${figure} as figure from backtest.sweep_runs where sweep_id = ${sweepId}) as runs
    where ${state === undefined ? sql`true` : sql`state = ${state}`} and ${behind(sql, after, descending)}
    order by runs.figure ${order} nulls last, number limit ${limit}`;
}

function behind(sql: Sql, after: RunsQuery["after"], descending: boolean) {
  if (after === null) return sql`true`;
  const [figure, number] = after;
  if (figure === null) return sql`(runs.figure is null and number > ${number})`;
  const beyond = descending ? sql`runs.figure < ${figure}::numeric` : sql`runs.figure > ${figure}::numeric`;
  return sql`(${beyond} or (runs.figure = ${figure}::numeric and number > ${number}) or runs.figure is null)`;
}

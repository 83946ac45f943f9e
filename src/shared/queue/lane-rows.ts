import type { Db, Sql, Tx } from "#shared/db/db.ts";
import type { QueueBacklog, TaskOutcome } from "./queue.ts";

// All SQL of the queue; its functions are in the migration.

/** A lane's name. */
export interface LaneName {
  queue: string;
  lane: string;
}

/** An open task as its row says it. */
export interface TaskRow {
  id: string;
  queue: string;
  lane: string;
  seq: number;
  priority: number;
  type: string;
  payload: unknown;
  attempts: number;
  failures: number;
  traceparent: string | null;
  created_at_ms: number;
}

export interface DoneTask {
  id: string;
  attempts: number;
  outcome: TaskOutcome;
}

/** A task that is not done: put off by `delayMs` from now, or dead. */
export interface LaterTask {
  id: string;
  attempts: number;
  /** How often it has failed in a row; 0: it was put off by its handler. */
  failures: number;
  delayMs: number;
  /** Why it failed. */
  error?: string;
  state: "open" | "dead";
  /** Whether a dead one holds back the later ones of its priority. */
  holds: boolean;
  /** The session that a dead one was for. */
  sessionId: string | null;
}

type Json = Parameters<Tx["sql"]["json"]>[0];

/** What is known to be JSON by its contract, as the driver wants it. */
const json = (tx: Tx, value: unknown) => tx.sql.json(value as Json);

export type NewTaskRow = Omit<TaskRow, "seq" | "attempts" | "failures" | "created_at_ms">;

/** New tasks of any lanes. */
export interface NewTasks {
  tasks: readonly NewTaskRow[];
  /** How long the wake-ups of their lanes may take. */
  graceMs: number;
}

/** What becomes of tasks of a lane that the transaction has locked. */
export interface EndOfTasks {
  at: LaneName;
  done: readonly DoneTask[];
  later: readonly LaterTask[];
}

/** Writes each under the next number of its lane, in the order given. The lanes' rows stay locked to the commit. */
export async function insertTasks(tx: Tx, { tasks, graceMs }: NewTasks): Promise<void> {
  await tx.sql`select queue.enqueue(${json(tx, tasks)}, ${graceMs}::float8)`.execute();
}

/** Whether a lane has a task of a type that is not done: an open one, or a dead one that a person may redrive. */
export async function hasOpenTask(tx: Tx, { queue, lane }: LaneName, type: string): Promise<boolean> {
  // Two selects, since each has an index of its own; of all tasks there is none.
  const rows = await tx.sql`
    select 1 from queue.tasks where queue = ${queue} and lane = ${lane} and state = 'open' and type = ${type}
    union all
    select 1 from queue.tasks where queue = ${queue} and lane = ${lane} and state = 'dead' and type = ${type}
    limit 1`;
  return rows.length > 0;
}

/** Whether a lane has an open task, due or not. */
export async function hasWork({ sql }: { sql: Sql }, { queue, lane }: LaneName): Promise<boolean> {
  const rows = await sql`
    select 1 from queue.tasks where queue = ${queue} and lane = ${lane} and state = 'open' limit 1`;
  return rows.length > 0;
}

/** The lanes with an open or dead task of this type whose payload contains `part`. */
export async function lanesWithOpenTask(
  tx: Tx,
  { queue, type, part }: { queue: string; type: string; part: unknown },
): Promise<string[]> {
  const rows = await tx.sql<{ lane: string }[]>`
    select lane from queue.tasks
    where queue = ${queue} and state = 'open' and type = ${type} and payload @> ${json(tx, part)}
    union
    select lane from queue.tasks
    where queue = ${queue} and state = 'dead' and type = ${type} and payload @> ${json(tx, part)}`;
  return rows.map(({ lane }) => lane);
}

/** Transaction mode: locks the lane and gives what may be done, at most `limit`. Sent when it is called. */
export async function lockLane(tx: Tx, { queue, lane }: LaneName, limit: number): Promise<TaskRow[]> {
  return tx.sql<TaskRow[]>`select * from queue.lock_lane(${queue}, ${lane}, ${limit})`.execute();
}

export interface LeaseRequest {
  owner: string;
  leaseMs: number;
  /** Null: a new lease. A number: go on under this one. */
  epoch: number | null;
}

/** Lease mode: takes the lane and its first task. Undefined: nothing to do, or not for this worker. Sent when it is called. */
export async function leaseLane(
  tx: Tx,
  { queue, lane }: LaneName,
  { owner, leaseMs, epoch }: LeaseRequest,
): Promise<{ epoch: number; row: TaskRow } | undefined> {
  const [row] = await tx.sql<(TaskRow & { lane_epoch: number })[]>`
    select lane_epoch, (task).*
    from queue.lease_lane(${queue}, ${lane}, ${owner}, ${leaseMs}::float8, ${epoch}::bigint)`.execute();
  return row === undefined ? undefined : { epoch: row.lane_epoch, row };
}

/**
 * Locks a lane to the end of the transaction. With an epoch: only while it is leased under that one. Null: only while nobody
 * leases it. False: it is otherwise, and nothing may be written for it.
 */
export async function holdLane(tx: Tx, { queue, lane }: LaneName, epoch: number | null): Promise<boolean> {
  const rows = await tx.sql`
    select 1 from queue.lanes
    where queue = ${queue} and lane = ${lane} and case
      when ${epoch}::bigint is null then lease_until is null or lease_until <= clock_timestamp()
      else epoch = ${epoch}::bigint and owner is not null
    end
    for no key update`;
  return rows.length > 0;
}

/** Whether a task of a lane that this transaction has locked is open yet. */
export async function isOpenTask(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.sql`select 1 from queue.tasks where id = ${id} and state = 'open'`;
  return rows.length > 0;
}

/**
 * Ends tasks of a lane that this transaction has locked, behind new ones of any lanes that it writes. True: more may be done at
 * once, and a lease is kept. False: the lane is released in this very statement.
 */
export async function finishTasks(
  tx: Tx,
  { at: { queue, lane }, done, later }: EndOfTasks,
  added: NewTasks,
): Promise<boolean> {
  // Sent at once: who does not wait for it sends the commit next.
  const [row] = await tx.sql<{ more: boolean }[]>`
    select queue.finish(${queue}, ${lane}, ${json(tx, done)}, ${json(tx, later)}, ${json(tx, added.tasks)},
      ${added.graceMs}::float8) as more`.execute();
  return row?.more === true;
}

/** The open tasks of queues, by queue; one that has none is left out. */
export async function readBacklog({ sql }: { sql: Sql }): Promise<QueueBacklog[]> {
  const rows = await sql<QueueBacklog[]>`
    select queue, count(*)::int as open, min(created_at_ms) as "oldestCreatedAtMs"
    from queue.tasks where state = 'open' group by queue order by queue`;
  return [...rows];
}

export interface LeasedName extends LaneName {
  epoch: number;
}

/** Extends leases in one statement. A lane that is locked just now is left out rather than waited for. Resolves with those extended. */
export async function extendLanes(db: Db, leaseMs: number, lanes: readonly LeasedName[]): Promise<LeasedName[]> {
  return db.urgentSql<LeasedName[]>`
    update queue.lanes l set lease_until = clock_timestamp() + ${leaseMs}::float8 * interval '1 ms'
    from (
      select lanes.queue, lanes.lane from queue.lanes
      join unnest(
        ${lanes.map(({ queue }) => queue)}::text[], ${lanes.map(({ lane }) => lane)}::text[],
        ${lanes.map(({ epoch }) => epoch)}::bigint[]
      ) as held (queue, lane, epoch)
        on lanes.queue = held.queue and lanes.lane = held.lane and lanes.epoch = held.epoch
      where lanes.owner is not null
      for no key update of lanes skip locked
    ) mine
    where l.queue = mine.queue and l.lane = mine.lane
    returning l.queue, l.lane, l.epoch`;
}

/** Lanes of these queues that wait, are due and not leased; each is given to one asker and not again within `againMs`. */
export async function lanesToWake(
  sql: Sql,
  queues: readonly string[],
  { limit, againMs }: { limit: number; againMs: number },
): Promise<(LaneName & { priority: number })[]> {
  return sql<(LaneName & { priority: number })[]>`
    update queue.lanes l set wake_at = now() + ${againMs}::float8 * interval '1 ms'
    from (
      select queue, lane from queue.lanes
      where queue = any(${[...queues]}::text[]) and wake_at <= now() and (lease_until is null or lease_until <= now())
      order by wake_at limit ${limit}
      for no key update skip locked
    ) due
    where l.queue = due.queue and l.lane = due.lane
    returning l.queue, l.lane, coalesce(
      (select min(t.priority) from queue.tasks t where t.queue = l.queue and t.lane = l.lane and t.state = 'open'), 5
    )::integer as priority`;
}

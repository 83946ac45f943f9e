import type { Db, Sql, Tx } from "#shared/db/db.ts";
import type { LaneName } from "./lane-rows.ts";

/** A task that has failed, for a person. parked: it is tried again by itself. */
export interface FailingTask {
  id: string;
  queue: string;
  lane: string;
  seq: number;
  type: string;
  state: "parked" | "dead";
  /** How often it has failed in a row. */
  failures: number;
  error: string | null;
  payload: unknown;
  createdAtMs: number;
}

/** The tasks that failed, and what a person makes of dead ones. Lanes are locked before their tasks. */
export interface FailingTasks {
  /** Oldest first, from behind `after`. */
  list(
    of: { queue: string; state: FailingTask["state"] },
    after: [createdAtMs: number, id: string] | null,
    limit: number,
  ): Promise<FailingTask[]>;
  /** A task with how many of its lane and priority wait behind it. Null: the queue has none of this id that is not done; one that was redriven has not failed. */
  find(queue: string, id: string): Promise<{ task: FailingTask; waiting: number } | null>;
  /** A dead task is tried again, at once and as if for the first time. Null: it is not dead (any more). */
  redrive(tx: Tx, queue: string, id: string): Promise<FailingTask | null>;
  /** A dead task is taken for done without its effect. Null: it is not dead (any more). */
  discard(tx: Tx, queue: string, id: string): Promise<FailingTask | null>;
  /** Whether a lane has a dead task, as the transaction sees it. */
  hasDead(tx: Tx, at: LaneName): Promise<boolean>;
}

interface Row extends FailingTask {
  priority: number;
}

const columns = (sql: Sql) => sql`
  id, queue, lane, seq, type, case state when 'dead' then 'dead' else 'parked' end as state, failures, error, payload,
  priority, created_at_ms as "createdAtMs"`;

/** Over the table `queue.tasks`. `wake` wakes a lane after the commit. */
export function createFailingTasks(db: Db, wake: (tx: Tx, at: LaneName, priority: number) => void): FailingTasks {
  /** The lane's row first, as everyone does it; the sweeper wakes it where the wake-up is lost. */
  async function lockLaneOf(tx: Tx, queue: string, id: string): Promise<void> {
    await tx.sql`
      update queue.lanes l set wake_at = clock_timestamp() from queue.tasks t
      where t.id = ${id} and t.queue = ${queue} and t.state = 'dead'
        and l.queue = t.queue and l.lane = t.lane`;
  }

  function taken(tx: Tx, row: Row | undefined): FailingTask | null {
    if (row === undefined) return null;
    const { priority, ...task } = row;
    wake(tx, task, priority);
    return task;
  }

  return {
    async list({ queue, state }, after, limit) {
      const { sql } = db;
      const rows = await sql<Row[]>`
        select ${columns(sql)} from queue.tasks
        where queue = ${queue}
          and ${state === "dead" ? sql`state = 'dead'` : sql`state = 'open' and failures > 0`}
          ${after === null ? sql`` : sql`and (created_at_ms, id) > (${after[0]}, ${after[1]}::uuid)`}
        order by created_at_ms, id limit ${limit}`;
      return rows.map(({ priority: _priority, ...task }) => task);
    },
    async find(queue, id) {
      const { sql } = db;
      const [row] = await sql<(Row & { waiting: number })[]>`
        select ${columns(sql)}, (
          select count(*)::integer from queue.tasks b
          where b.queue = t.queue and b.lane = t.lane and b.state = 'open' and b.priority = t.priority and b.seq > t.seq
        ) as waiting
        from queue.tasks t
        where id = ${id} and queue = ${queue} and state <> 'done'`;
      if (row === undefined) return null;
      const { waiting, priority: _priority, ...task } = row;
      return { task, waiting };
    },
    async redrive(tx, queue, id) {
      await lockLaneOf(tx, queue, id);
      const [row] = await tx.sql<Row[]>`
        update queue.tasks set state = 'open', holds = false, failures = 0, run_after = '-infinity'
        where id = ${id} and queue = ${queue} and state = 'dead' returning ${columns(tx.sql)}`;
      return taken(tx, row);
    },
    async discard(tx, queue, id) {
      await lockLaneOf(tx, queue, id);
      const [row] = await tx.sql<Row[]>`
        update queue.tasks set state = 'done', outcome = '{"discarded": true}',
          done_at_ms = queue.epoch_ms(clock_timestamp())
        where id = ${id} and queue = ${queue} and state = 'dead' returning ${columns(tx.sql)}`;
      return taken(tx, row);
    },
    async hasDead(tx, { queue, lane }) {
      const rows = await tx.sql`
        select 1 from queue.tasks where queue = ${queue} and lane = ${lane} and state = 'dead' limit 1`;
      return rows.length > 0;
    },
  };
}

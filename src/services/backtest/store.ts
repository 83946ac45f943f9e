import type { BacktestOrderJson } from "#shared/backtest/result.ts";
import type { BacktestStatistics } from "#shared/backtest/statistics.ts";
import type { TradeJson } from "#shared/backtest/trades.ts";
import type { Sql, Tx } from "#shared/db/db.ts";
import { normalize } from "#shared/domain/decimal.ts";
import { storable } from "#shared/errors/storable-text.ts";
import type { EquityPointJson, Run, RunRequest } from "./contract.ts";

/** What a run that went through leaves. Equity as columns, oldest first. */
export interface Outcome {
  bars: number;
  statistics: BacktestStatistics;
  denials: Record<string, number>;
  orders: BacktestOrderJson[];
  trades: TradeJson[];
  closeAtMs: readonly number[];
  equity: readonly string[];
}

const ROWS_A_STATEMENT = 20_000;

/** Inserts a run. Null: one stands under this key already. */
export async function insertRun(
  tx: Tx,
  run: { id: string; request: RunRequest; key: string | null; fingerprint: string; atMs: number },
): Promise<boolean> {
  const result = await tx.sql`
    insert into backtest.runs (id, request, idempotency_key, fingerprint, created_at_ms)
    values (${run.id}, ${tx.sql.json(run.request as never)}, ${run.key}, ${run.fingerprint}, ${run.atMs})
    on conflict (idempotency_key) do nothing`;
  return result.count === 1;
}

/** The run that stands under an idempotency key. */
export async function findByKey(sql: Sql, key: string): Promise<{ id: string; fingerprint: string } | null> {
  const rows = await sql<{ id: string; fingerprint: string }[]>`
    select id, fingerprint from backtest.runs where idempotency_key = ${key}`;
  return rows[0] ?? null;
}

const runColumns = (sql: Sql) => sql`
  id, state, request, strategy_version as "strategyVersion", progress, bars, bars_reason as "barsReason", statistics, denials, error,
  created_at_ms as "createdAtMs", finished_at_ms as "finishedAtMs"`;

export async function readRun(sql: Sql, id: string): Promise<Run | null> {
  const rows = await sql<Run[]>`select ${runColumns(sql)} from backtest.runs where id = ${id}`;
  return rows[0] ?? null;
}

/** Runs, oldest first, after the one given. */
export async function listRuns(sql: Sql, after: [number, string] | null, limit: number): Promise<Run[]> {
  const [atMs, id] = after ?? [-1, "00000000-0000-0000-0000-000000000000"];
  return await sql<Run[]>`
    select ${runColumns(sql)} from backtest.runs where (created_at_ms, id) > (${atMs}, ${id}::uuid)
    order by created_at_ms, id limit ${limit}`;
}

export async function listOrders(sql: Sql, id: string, after: number, limit: number): Promise<BacktestOrderJson[]> {
  const rows = await sql<{ order: BacktestOrderJson }[]>`
    select "order" from backtest.orders where run_id = ${id} and number > ${after} order by number limit ${limit}`;
  return rows.map(({ order }) => order);
}

export async function listTrades(sql: Sql, id: string, after: number, limit: number): Promise<TradeJson[]> {
  const rows = await sql<{ trade: TradeJson }[]>`
    select trade from backtest.trades where run_id = ${id} and number > ${after} order by number limit ${limit}`;
  return rows.map(({ trade }) => trade);
}

export async function listEquity(sql: Sql, id: string, after: number, limit: number): Promise<EquityPointJson[]> {
  const rows = await sql<EquityPointJson[]>`
    select close_at_ms as "closeAtMs", equity from backtest.equity_points
    where run_id = ${id} and close_at_ms > ${after} order by close_at_ms limit ${limit}`;
  return rows.map(({ closeAtMs, equity }) => ({ closeAtMs, equity: normalize(equity) }));
}

/** A worker has begun the run, perhaps not the first one. The request; null: the run is over or gone. */
export async function beginRun(tx: Tx, id: string): Promise<RunRequest | null> {
  const rows = await tx.sql<{ request: RunRequest }[]>`
    update backtest.runs set state = 'RUNNING', progress = 0 where id = ${id} and state in ('QUEUED', 'RUNNING')
    returning request`;
  return rows[0]?.request ?? null;
}

/** False: the run is not RUNNING any more, as after it was canceled. */
export async function writeProgress(tx: Tx, id: string, progress: number): Promise<boolean> {
  const result = await tx.sql`update backtest.runs set progress = ${progress} where id = ${id} and state = 'RUNNING'`;
  return result.count === 1;
}

/** Ends a run that is not over. False: it was over, or there is none. */
export async function cancelRun(tx: Tx, id: string, atMs: number): Promise<boolean> {
  const result = await tx.sql`
    update backtest.runs set state = 'CANCELED', error = 'It was canceled.', finished_at_ms = ${atMs}
    where id = ${id} and state in ('QUEUED', 'RUNNING')`;
  return result.count === 1;
}

/** Locks a run that is to be ended. False: it is not RUNNING any more. */
export async function lockRunning(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.sql`select 1 from backtest.runs where id = ${id} and state = 'RUNNING' for update`;
  return rows.length === 1;
}

export async function failRun(tx: Tx, id: string, error: string, atMs: number): Promise<void> {
  await tx.sql`
    update backtest.runs set state = 'FAILED', error = ${storable(error)}, finished_at_ms = ${atMs}
    where id = ${id} and state = 'RUNNING'`;
}

/** Writes all that a run came to. Its orders and points are there only together with it. */
export async function finishRun(
  tx: Tx,
  id: string,
  { outcome, barsReason, strategyVersion }: { outcome: Outcome; barsReason: string; strategyVersion: string },
  atMs: number,
): Promise<void> {
  const { orders, trades, closeAtMs, equity } = outcome;
  for (let from = 0; from < orders.length; from += ROWS_A_STATEMENT) {
    const part = orders.slice(from, from + ROWS_A_STATEMENT);
    await tx.sql`
      insert into backtest.orders (run_id, number, "order")
      select ${id}::uuid, (o ->> 'number')::integer, o from jsonb_array_elements(${tx.sql.json(part as never)}) as o`;
  }
  for (let from = 0; from < trades.length; from += ROWS_A_STATEMENT) {
    const part = trades.slice(from, from + ROWS_A_STATEMENT);
    await tx.sql`
      insert into backtest.trades (run_id, number, trade)
      select ${id}::uuid, (t ->> 'number')::integer, t from jsonb_array_elements(${tx.sql.json(part as never)}) as t`;
  }
  for (let from = 0; from < equity.length; from += ROWS_A_STATEMENT) {
    const until = from + ROWS_A_STATEMENT;
    await tx.sql`
      insert into backtest.equity_points (run_id, close_at_ms, equity)
      select ${id}::uuid, p.at, p.equity
      from unnest(${closeAtMs.slice(from, until)}::bigint[], ${equity.slice(from, until)}::numeric[]) as p (at, equity)`;
  }
  await tx.sql`
    update backtest.runs set
      state = 'DONE', progress = 1, bars = ${outcome.bars}, bars_reason = ${barsReason},
      strategy_version = ${strategyVersion}, statistics = ${tx.sql.json(outcome.statistics as never)},
      denials = ${tx.sql.json(outcome.denials)}, finished_at_ms = ${atMs}
    where id = ${id} and state = 'RUNNING'`;
}

-- Writer: backtest.
create schema backtest;

-- One row a run. request: what was asked for, with its defaults. statistics: what it came to (src/shared/backtest/statistics.ts).
-- progress: share of the bars that are done, 0 to 1. error: why it failed, a sentence for a person.
create table backtest.runs (
  id uuid primary key,
  state text not null default 'QUEUED' check (state in ('QUEUED', 'RUNNING', 'DONE', 'FAILED', 'CANCELED')),
  request jsonb not null,
  strategy_version text,
  progress double precision not null default 0,
  bars bigint,
  bars_reason text,
  statistics jsonb,
  denials jsonb,
  error text,
  idempotency_key text unique,
  fingerprint text not null,
  created_at_ms bigint not null,
  finished_at_ms bigint
);
create index runs_by_creation on backtest.runs (created_at_ms, id);

-- The orders of a run that is done (src/shared/backtest/result.ts, BacktestOrderJson).
create table backtest.orders (
  run_id uuid not null references backtest.runs (id) on delete cascade,
  number integer not null,
  "order" jsonb not null,
  primary key (run_id, number)
);

-- Its round trips (src/shared/backtest/trades.ts, TradeJson).
create table backtest.trades (
  run_id uuid not null references backtest.runs (id) on delete cascade,
  number integer not null,
  trade jsonb not null,
  primary key (run_id, number)
);

-- Its equity at each close, exact.
create table backtest.equity_points (
  run_id uuid not null references backtest.runs (id) on delete cascade,
  close_at_ms bigint not null,
  equity numeric not null,
  primary key (run_id, close_at_ms)
);

-- One row a sweep: the same run with every combination of some parameters. request: what was asked for, with its defaults.
-- runs, done, failed: how many there are, and how many of them are over. What all of its runs use is pinned by the first worker
-- that looks: the instrument as it was then, and the candles first_n to last_n; so the result is the same whoever works it, however
-- the series goes on.
create table backtest.sweeps (
  id uuid primary key,
  state text not null default 'QUEUED' check (state in ('QUEUED', 'RUNNING', 'DONE', 'FAILED', 'CANCELED')),
  request jsonb not null,
  strategy_version text not null,
  runs integer not null check (runs > 0),
  done integer not null default 0,
  failed integer not null default 0,
  left_out integer not null,
  left_out_reason text,
  instrument jsonb,
  first_n integer,
  last_n integer,
  bars_reason text,
  error text,
  idempotency_key text unique,
  fingerprint text not null,
  created_at_ms bigint not null,
  finished_at_ms bigint
);
create index sweeps_by_creation on backtest.sweeps (created_at_ms, id);

-- Its runs: figures, no orders. part: the task that works it with others. thread_ends: how often its thread has ended under it for a
-- reason that is not known to be its own.
create table backtest.sweep_runs (
  sweep_id uuid not null references backtest.sweeps (id) on delete cascade,
  number integer not null,
  part integer not null,
  state text not null default 'QUEUED' check (state in ('QUEUED', 'DONE', 'FAILED')),
  thread_ends integer not null default 0,
  params jsonb not null,
  statistics jsonb,
  denials jsonb,
  error text,
  finished_at_ms bigint,
  primary key (sweep_id, number)
);
create index sweep_runs_by_part on backtest.sweep_runs (sweep_id, part) where state = 'QUEUED';

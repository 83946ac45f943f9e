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

-- Writer: strategy-executor.
create schema strategy_executor;

-- One row a session that was ever started: where its present run stands. A restart goes on from here.
-- phase: WARMING (no candle was decided on yet), READY, FAULTED (its strategy failed; `fault` says how).
-- candle_n: number of the newest closed candle the strategy has seen; `runtime` is what it remembered after it.
-- signals: number of the session's newest signal, over all runs.
-- pending_signal: the signal risk has not decided yet. open_orders: ids of orders that are not terminal. Either makes it busy.
-- position: what its fills came to (src/shared/accounting/book.ts, PositionJson).
create table strategy_executor.runs (
  session_id text primary key,
  partition integer not null,
  run integer not null,
  phase text not null default 'WARMING' check (phase in ('WARMING', 'READY', 'FAULTED')),
  fault text,
  candle_n bigint not null default 0,
  candle_close_at_ms bigint,
  runtime jsonb,
  signals bigint not null default 0,
  pending_signal text,
  open_orders jsonb not null default '[]',
  position jsonb,
  updated_at_ms bigint not null
);
create index runs_by_partition on strategy_executor.runs (partition);

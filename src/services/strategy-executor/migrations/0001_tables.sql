-- Writer: strategy-executor.
create schema strategy_executor;

-- One row a session that was ever started: where its present run stands. A restart goes on from here.
-- phase: WARMING (no candle was decided on yet), READY, FAULTED (its strategy failed; `fault` says how).
-- candle_n: number of the newest closed candle the strategy has seen; `runtime` is what it remembered after it.
-- signals: number of the session's newest signal, over all runs.
-- pending_signal: the signal that risk has not denied and whose orders have not all ended. It makes the session busy.
-- ended_orders: numbers of those of its orders that have ended.
-- held: what its fills came to, signed, in the base asset.
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
  ended_orders integer[] not null default '{}',
  held numeric not null default 0,
  updated_at_ms bigint not null
);
create index runs_by_partition on strategy_executor.runs (partition);

-- strategy_executor.advance(session, state, run, from, to, close_at_ms, runtime, signals, signal, at_ms): moves the cursor of a
-- run on, with all that its strategy remembers after it. The session is locked first, so that a pause or stop stands before or
-- after this transaction, never within it. Null for close_at_ms or signal: what is there stays.
--   fails   SQLSTATE R3002 (conflict) when the session is in another state or run, or the cursor does not stand at `from`
create function strategy_executor.advance(
  in_session text, in_state text, in_run integer, in_from bigint, in_to bigint, in_close_at_ms bigint,
  in_runtime jsonb, in_signals bigint, in_signal text, in_at_ms bigint
) returns void language plpgsql as $$
begin
  perform 1 from reference.sessions where id = in_session and state = in_state and run = in_run for share;
  if not found then
    raise exception using errcode = 'R3002', message = 'The session has changed meanwhile.';
  end if;
  update strategy_executor.runs set
    candle_n = in_to, candle_close_at_ms = coalesce(in_close_at_ms, candle_close_at_ms), runtime = in_runtime,
    signals = in_signals, pending_signal = coalesce(in_signal, pending_signal), updated_at_ms = in_at_ms
  where session_id = in_session and run = in_run and phase = 'READY' and candle_n = in_from;
  if not found then
    raise exception using errcode = 'R3002', message = 'The run''s cursor is not where it was.';
  end if;
end $$;

-- strategy_executor.advance_all(runs): the same for many runs, as JSON [{ id, state, run, fromN, candleN, closeAtMs, runtime,
-- signals, signalId, atMs }]. Gives the sessions that were moved on: those that are not as `advance` wants them, or whose rows
-- are held by someone, are left out.
create function strategy_executor.advance_all(in_runs jsonb) returns setof text language sql as $$
  with given as materialized (
    select * from jsonb_to_recordset(in_runs) as g (
      id text, state text, run integer, "fromN" bigint, "candleN" bigint, "closeAtMs" bigint, runtime jsonb,
      signals bigint, "signalId" text, "atMs" bigint)
  ), locked as materialized (
    select g.* from given g
    join reference.sessions s on s.id = g.id and s.state = g.state and s.run = g.run
    join strategy_executor.runs r on r.session_id = g.id and r.run = g.run and r.phase = 'READY' and r.candle_n = g."fromN"
    for share of s skip locked for no key update of r skip locked
  )
  update strategy_executor.runs r set
    candle_n = l."candleN", candle_close_at_ms = coalesce(l."closeAtMs", r.candle_close_at_ms), runtime = l.runtime,
    signals = l.signals, pending_signal = coalesce(l."signalId", r.pending_signal), updated_at_ms = l."atMs"
  from locked l where r.session_id = l.id
  returning r.session_id
$$;

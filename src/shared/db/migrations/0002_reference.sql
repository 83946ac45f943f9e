-- What several services read in a transaction. Each table has one writer; readers may lock rows FOR SHARE.
create schema reference;

-- Writer: market-data. The whole instrument as JSON (src/shared/domain/instrument.ts).
create table reference.instruments (
  id text primary key,
  venue text not null,
  instrument jsonb not null,
  updated_at_ms bigint not null
);

-- Writer: session-manager. `session` is the whole session as JSON (src/shared/domain/session.ts); the columns repeat what queries need.
create table reference.sessions (
  id text primary key,
  code text not null unique,
  state text not null,
  run integer not null,
  version integer not null,
  partition integer not null,
  account_id text not null,
  session jsonb not null,
  created_at_ms bigint not null,
  updated_at_ms bigint not null
);
create index sessions_by_partition on reference.sessions (partition, state);
create index sessions_by_creation on reference.sessions (created_at_ms, id);

-- Writer: order-position-tracker. Trading state: ACTIVE, REDUCING (only orders that reduce), HALTED (only cancels), with the reason
-- where it was halted by itself. `era`: how often its venue's ids have begun anew; ids of a closed era stand with it before them.
create table reference.accounts (
  id text primary key,
  venue text not null,
  trading_state text not null default 'ACTIVE' check (trading_state in ('ACTIVE', 'REDUCING', 'HALTED')),
  state_reason text,
  era integer not null default 0,
  updated_at_ms bigint not null
);

-- Writer: risk-manager. What risk holds back, by scope: 'all', 'account:<id>' or 'session:<id>'; the strictest that concerns an order
-- counts. No row: nothing. level 1: no entries. 2: only orders that reduce. 3: only risk's own closing orders. until_ms: when it ends by
-- itself (wall clock); null: a person ends it. cause: why, in a sentence.
-- Decisions and the commit of an order's intent read it under the lock of the table that FOR SHARE takes; who writes it locks the table
-- IN EXCLUSIVE MODE first. So a change waits for those that have read it, and who comes later sees it, also where there was no row.
create table reference.risk_states (
  scope text primary key,
  level smallint not null check (level between 1 and 3),
  until_ms bigint,
  cause text not null,
  since_ms bigint not null
);

-- reference.risk_state(session, account, now_ms): what holds an order of a session back: the strictest state that concerns it, as
-- { scope, level, cause, sinceMs }; null: nothing does. That stays so until the transaction ends.
create function reference.risk_state(in_session text, in_account text, in_now_ms bigint) returns jsonb
language plpgsql as $$
begin
  -- A statement of its own: the next one reads what this one has waited for.
  lock table reference.risk_states in row share mode;
  return (
    select jsonb_build_object('scope', r.scope, 'level', r.level, 'cause', r.cause, 'sinceMs', r.since_ms)
    from reference.risk_states r
    where r.scope in ('all', 'account:' || in_account, 'session:' || in_session)
      and (r.until_ms is null or r.until_ms > in_now_ms)
    order by r.level desc, r.scope limit 1);
end $$;

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

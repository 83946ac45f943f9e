-- Writer: order-position-tracker. Orders and what became of them: fills, positions, ledger, equity.
create schema order_position_tracker;

-- `data` is the whole order (src/shared/domain/order.ts); the columns repeat what queries and fences need.
create table order_position_tracker.orders (
  id text primary key,
  client_order_id text not null,
  venue_order_id text,
  -- Further orders at the venue of this one intent: each has been told of.
  other_venue_order_ids text[] not null default '{}',
  session_id text not null,
  account_id text not null,
  instrument_id text not null,
  number integer not null,
  state text not null,
  is_open boolean not null,
  side text not null,
  size numeric not null,
  filled_size numeric not null,
  filled_quote numeric not null,
  version integer not null,
  cancel_requested boolean not null default false,
  -- Since when the venue does not know an order that it has accepted. Null: it knew it when it was last asked, or told of it.
  missing_since_ms bigint,
  data jsonb not null,
  created_at_ms bigint not null,
  updated_at_ms bigint not null,
  unique (account_id, client_order_id)
);
create index orders_by_venue_id on order_position_tracker.orders (account_id, instrument_id, venue_order_id);
create index orders_by_session on order_position_tracker.orders (session_id, number);
create index orders_by_time on order_position_tracker.orders (created_at_ms, id);
create index orders_open on order_position_tracker.orders (account_id, session_id) where is_open;

-- Each change of an order, as it was published.
create table order_position_tracker.order_events (
  order_id text not null,
  version integer not null,
  type text not null,
  data jsonb not null,
  at_ms bigint not null,
  primary key (order_id, version)
);

-- One row an execution: the venue's trade id counts once per account and instrument.
create table order_position_tracker.fills (
  account_id text not null,
  instrument_id text not null,
  trade_id text not null,
  order_id text not null,
  session_id text not null,
  side text not null,
  price numeric not null,
  size numeric not null,
  fee numeric not null,
  fee_asset text not null,
  maker boolean not null,
  at_ms bigint not null,
  seen_at_ms bigint not null,
  primary key (account_id, instrument_id, trade_id)
);
create index fills_by_order on order_position_tracker.fills (order_id);
create index fills_by_session on order_position_tracker.fills (session_id, at_ms, trade_id);

-- Up to which trade id the venue's own list of fills was read. Only reading the list moves it, never the stream. Until the
-- list's end was reached for the first time, strange fills in it are what was there before, and no alert.
create table order_position_tracker.fill_cursors (
  account_id text not null,
  instrument_id text not null,
  trade_id text,
  -- When that trade happened; null: not known.
  at_ms bigint,
  reached_end boolean not null,
  primary key (account_id, instrument_id)
);

-- Orders and fills at the venue that nobody here made; each is reported once.
create table order_position_tracker.foreign_activity (
  account_id text not null,
  instrument_id text not null,
  kind text not null check (kind in ('order', 'fill')),
  venue_id text not null,
  data jsonb not null,
  seen_at_ms bigint not null,
  primary key (account_id, instrument_id, kind, venue_id)
);
create index foreign_by_order on order_position_tracker.foreign_activity (account_id, instrument_id, (data ->> 'venueOrderId'));

-- Executions that the venue tells of and that could not be booked: as they were told, with the reason. `listed`: the venue's list
-- has it so; else its stream or an answer may have garbled it. One that is booked after all is here no more. `session_id`: whose
-- order it is of, once that is known. `discard_reason`: why a person has decided that its session goes on without it.
create table order_position_tracker.unbooked (
  account_id text not null,
  instrument_id text not null,
  trade_id text not null,
  venue_order_id text,
  listed boolean not null,
  raw text not null,
  reason text not null,
  seen_at_ms bigint not null,
  session_id text,
  discard_reason text,
  primary key (account_id, instrument_id, trade_id)
);
create index unbooked_by_session on order_position_tracker.unbooked (session_id) where discard_reason is null;

-- The first execution that a session's book is known to lack; no row: it has all. What a decision and a send read of it.
create view reference.incomplete_books as
  select distinct on (session_id) session_id, instrument_id, trade_id, reason, seen_at_ms
  from order_position_tracker.unbooked where session_id is not null and discard_reason is null
  order by session_id, seen_at_ms, trade_id;

create table order_position_tracker.positions (
  session_id text not null,
  instrument_id text not null,
  account_id text not null,
  size numeric not null,
  average_entry numeric,
  realized_profit numeric not null,
  fees jsonb not null,
  updated_at_ms bigint not null,
  primary key (session_id, instrument_id)
);

-- What a session owns of each asset: always the sum of its ledger entries. Locked before a position changes.
create table order_position_tracker.balances (
  session_id text not null,
  asset text not null,
  account_id text not null,
  amount numeric not null,
  primary key (session_id, asset)
);
create index balances_by_account on order_position_tracker.balances (account_id);

-- Every change of a balance. `reference` makes an entry unique: the trade for trades and fees, the run for capital.
create table order_position_tracker.ledger (
  id bigint generated always as identity primary key,
  session_id text not null,
  account_id text not null,
  asset text not null,
  kind text not null check (kind in ('capital', 'trade', 'fee')),
  reference text not null,
  amount numeric not null,
  at_ms bigint not null,
  unique (session_id, kind, asset, reference)
);

-- How far a session's equity curve has come; moves by one candle at a time, in the statement that writes the point.
create table order_position_tracker.equity_cursors (
  session_id text primary key,
  instrument_id text not null,
  time_frame text not null,
  quote text not null,
  active boolean not null,
  candle_n integer not null,
  candle_close_at_ms bigint not null
);
create index equity_cursors_by_series on order_position_tracker.equity_cursors (instrument_id, time_frame) where active;

create table order_position_tracker.equity_points (
  session_id text not null,
  candle_n integer not null,
  close_at_ms bigint not null,
  equity numeric not null,
  cash numeric not null,
  position numeric not null,
  close numeric not null,
  primary key (session_id, candle_n)
);

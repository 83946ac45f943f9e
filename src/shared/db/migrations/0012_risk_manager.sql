-- Writer: risk-manager. What it decided, and what each session may still take.
create schema risk_manager;

-- One row a session; each decision locks it. `book`: cash and positions as src/shared/accounting/book.ts writes them,
-- from the ORDERS topic alone. `capital` is what the session began with, so that a changed capital is noticed.
-- refused_exit: the venue has refused an exit and accepted none since, as src/services/risk-manager/refused-exit.ts writes it.
create table risk_manager.budgets (
  session_id text primary key,
  account_id text not null,
  capital numeric not null,
  book jsonb not null,
  next_order_number integer not null default 1,
  market_at_ms bigint not null default 0,
  refused_exit jsonb,
  updated_at_ms bigint not null
);

-- What an approved order may still take: its unfilled size times what a unit of it costs. Ends with the order.
create table risk_manager.reservations (
  order_id text primary key,
  session_id text not null,
  size_left numeric not null check (size_left >= 0),
  quote_per_unit numeric not null,
  base_per_unit numeric not null,
  created_at_ms bigint not null
);
create index reservations_by_session on risk_manager.reservations (session_id);

-- One row an order that a signal led to, and one of a signal that was denied, for ever: a repeated task finds it and does nothing.
create table risk_manager.decisions (
  signal_id text not null,
  order_index integer not null default 0,
  session_id text not null,
  run integer not null,
  signal_number integer not null,
  kind text not null check (kind in ('approved', 'denied')),
  code text,
  reason text,
  order_id text,
  order_number integer,
  side text,
  size numeric,
  mark numeric,
  market_at_ms bigint not null,
  decided_at_ms bigint not null,
  primary key (signal_id, order_index)
);
create index decisions_by_time on risk_manager.decisions (decided_at_ms, signal_id, order_index);
create index decisions_by_session on risk_manager.decisions (session_id, decided_at_ms, signal_id, order_index);

-- Writer: risk-manager. What it decided, and what each session may still take.
create schema risk_manager;

-- One row a session; each decision locks it. `book`: cash and positions as src/shared/accounting/book.ts writes them,
-- from the ORDERS topic alone. `capital` is what the session began with, so that a changed capital is noticed.
-- refused_exit: the venue has refused an exit and accepted none since, as src/services/risk-manager/decision/refused-exit.ts writes it.
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
create index denials_by_time on risk_manager.decisions (decided_at_ms, signal_id, order_index) where kind = 'denied';
create index decisions_by_session on risk_manager.decisions (session_id, decided_at_ms, signal_id, order_index);

-- Kills that a person has asked for. scope: as in reference.risk_states. ended_at_ms: a person has ended the halt that it began, and
-- nothing more is closed for it. abandoned: it was not flat then; what it has stopped keeps what it holds. caller, key, fingerprint: the Idempotency-Key it was asked under; null: without one.
create table risk_manager.kills (
  id text primary key,
  scope text not null,
  reason text,
  caller text not null,
  key text,
  fingerprint text,
  created_at_ms bigint not null,
  ended_at_ms bigint,
  abandoned boolean not null default false,
  unique (caller, key)
);
create index kills_by_time on risk_manager.kills (created_at_ms, id);
create index kills_that_stand on risk_manager.kills (scope) where ended_at_ms is null;

-- The sessions of a kill. run: the session's at the kill. stops: it was at work then, and is stopped by the kill. waits: why risk could not close what one holds when it was asked last; null: it could, or was not asked.
create table risk_manager.kill_sessions (
  kill_id text not null references risk_manager.kills,
  session_id text not null,
  run integer not null,
  stops boolean not null,
  waits text,
  primary key (kill_id, session_id)
);

-- Which kills stand, as order-position-tracker reads it.
create view reference.standing_kills as select id from risk_manager.kills where ended_at_ms is null;

-- risk_manager.context(signal, session, instrument, group, topic, book, at_ms): all that a decision is made from, read and locked
-- to the end of the transaction in lock order: the session against changes of its state, its account against changes of its
-- trading state, what risk holds back, its budget against other decisions. Each statement sees what the lock before it was waited for: so the
-- reservations are summed behind the budget's lock.
--   group, topic  whose parked events count as orders that have not ended
--   book, at_ms   of a budget that is opened because the session has none yet; its capital is 0, until the caller pays one in
--   at_ms         also the time by which a state of risk is over
--   result        one row; null is what there is none of. `decided`: the kind of the decision made before for this signal.
--                 quote, base: what the open orders may still take
create function risk_manager.context(
  in_signal text, in_session text, in_instrument text, in_group text, in_topic text, in_book jsonb, in_at_ms bigint,
  out decided text, out session jsonb, out gap jsonb, out trading_state text, out risk jsonb, out instrument jsonb,
  out capital numeric, out book jsonb, out next_order_number integer, out market_at_ms bigint, out refused_exit jsonb,
  out quote numeric, out base numeric, out open_orders integer
) language plpgsql as $$
declare
  v_account text;
  v_budget risk_manager.budgets;
begin
  select d.kind into decided from risk_manager.decisions d where d.signal_id = in_signal and d.order_index = 0;
  select s.session, s.account_id, (select to_jsonb(b) from reference.incomplete_books b where b.session_id = in_session)
  into session, v_account, gap
  from reference.sessions s where s.id = in_session for share of s;
  select a.trading_state into trading_state from reference.accounts a where a.id = v_account for share;
  risk := reference.risk_state(in_session, v_account, in_at_ms);
  select i.instrument into instrument from reference.instruments i where i.id = in_instrument;
  select b.* into v_budget from risk_manager.budgets b where b.session_id = in_session for update;
  if not found and v_account is not null then
    insert into risk_manager.budgets (session_id, account_id, capital, book, updated_at_ms)
    values (in_session, v_account, 0, in_book, in_at_ms) on conflict do nothing;
    -- Another decision may have been quicker.
    select b.* into v_budget from risk_manager.budgets b where b.session_id = in_session for update;
  end if;
  capital := v_budget.capital;
  book := v_budget.book;
  next_order_number := v_budget.next_order_number;
  market_at_ms := v_budget.market_at_ms;
  refused_exit := v_budget.refused_exit;
  select coalesce(sum(r.size_left * r.quote_per_unit), 0), coalesce(sum(r.size_left * r.base_per_unit), 0),
    count(*) + (select count(*) from bus.parked p
      where p.group_name = in_group and p.topic = in_topic and p.key = in_session)
  into quote, base, open_orders
  from risk_manager.reservations r where r.session_id = in_session;
end
$$;

-- risk_manager.next_context(queue, lane, group, topic, book, at_ms): the context of the signal that a lane's first task, behind
-- the lane's lock, asks to decide. No row: the lane has none, or its first task is another one.
create function risk_manager.next_context(
  in_queue text, in_lane text, in_group text, in_topic text, in_book jsonb, in_at_ms bigint
) returns table (
  signal_id text, decided text, session jsonb, gap jsonb, trading_state text, risk jsonb, instrument jsonb,
  capital numeric, book jsonb, next_order_number integer, market_at_ms bigint, refused_exit jsonb,
  quote numeric, base numeric, open_orders integer
) language plpgsql as $$
declare
  v_signal jsonb;
begin
  select t.payload -> 'signal' into v_signal
  from queue.doable(in_queue, in_lane, clock_timestamp(), 1) t where t.type = 'decide-signal';
  if v_signal is null then return; end if;
  return query select v_signal ->> 'id', c.* from risk_manager.context(
    v_signal ->> 'id', v_signal ->> 'sessionId', v_signal ->> 'instrumentId', in_group, in_topic, in_book, in_at_ms) c;
end
$$;

-- risk_manager.approve(orders): writes decisions with what their orders may take, and uses up the orders' numbers. The session's
-- budget is locked already.
--   orders  JSON: [{ signalId, index, sessionId, run, signalNumber, orderId, number, side, size, mark, marketAtMs, atMs,
--           quotePerUnit, basePerUnit }], decimals as text, in the order of their numbers
create function risk_manager.approve(in_orders jsonb) returns void language plpgsql as $$
declare
  o record;
begin
  for o in
    select * from jsonb_to_recordset(in_orders) as o (
      "signalId" text, index integer, "sessionId" text, run integer, "signalNumber" integer, "orderId" text, number integer,
      side text, size numeric, mark numeric, "marketAtMs" bigint, "atMs" bigint, "quotePerUnit" numeric,
      "basePerUnit" numeric)
  loop
    insert into risk_manager.decisions (signal_id, order_index, session_id, run, signal_number, kind, order_id, order_number,
      side, size, mark, market_at_ms, decided_at_ms)
    values (o."signalId", o.index, o."sessionId", o.run, o."signalNumber", 'approved', o."orderId", o.number, o.side, o.size,
      o.mark, o."marketAtMs", o."atMs");
    insert into risk_manager.reservations (order_id, session_id, size_left, quote_per_unit, base_per_unit, created_at_ms)
    values (o."orderId", o."sessionId", o.size, o."quotePerUnit", o."basePerUnit", o."atMs");
    update risk_manager.budgets
    set next_order_number = o.number + 1, market_at_ms = o."marketAtMs", updated_at_ms = o."atMs"
    where session_id = o."sessionId";
  end loop;
end
$$;

-- risk_manager.follow(budgets, filled, ended, at_ms): what events of orders have made of books and reservations. The budgets are
-- locked already.
--   budgets  JSON: [{ sessionId, book, nextOrderNumber, marketAtMs, refusedExit }]
--   filled   JSON: [{ orderId, size }]: how much more of an order was executed that goes on
--   ended    the orders that have ended: their reservations go
create function risk_manager.follow(in_budgets jsonb, in_filled jsonb, in_ended text[], in_at_ms bigint) returns void
language plpgsql as $$
declare
  b record;
  f record;
begin
  -- One by one, by their keys: joined with JSON, of which the planner knows nothing, whole tables would be read.
  for b in
    select * from jsonb_to_recordset(in_budgets) as b (
      "sessionId" text, book jsonb, "nextOrderNumber" integer, "marketAtMs" bigint, "refusedExit" jsonb)
  loop
    update risk_manager.budgets
    set book = b.book, next_order_number = b."nextOrderNumber", market_at_ms = b."marketAtMs",
      refused_exit = b."refusedExit", updated_at_ms = in_at_ms
    where session_id = b."sessionId";
  end loop;
  for f in select * from jsonb_to_recordset(in_filled) as f ("orderId" text, size numeric) loop
    update risk_manager.reservations set size_left = greatest(size_left - f.size, 0) where order_id = f."orderId";
  end loop;
  delete from risk_manager.reservations where order_id = any(in_ended);
end
$$;

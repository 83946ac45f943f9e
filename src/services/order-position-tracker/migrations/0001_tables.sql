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
-- The account last: else a lookup by a client order id might take this one, and read all orders of the account.
create index orders_by_venue_id on order_position_tracker.orders (venue_order_id, instrument_id, account_id);
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
create index fills_by_time on order_position_tracker.fills (at_ms, trade_id, account_id, instrument_id);
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

-- The sessions that a kill has found or made flat, and what is left of each that no order could close, in a sentence.
create table order_position_tracker.flattened (
  kill_id text not null,
  session_id text not null,
  left_over text,
  flat_at_ms bigint not null,
  primary key (kill_id, session_id)
);
-- The same for risk-manager, which tells how far a kill has come.
create view reference.flattened_sessions as
  select kill_id, session_id, left_over, flat_at_ms from order_position_tracker.flattened;

-- Why a session is not flat for a kill yet, as it was looked at last, in a sentence; the row goes with the end of that.
create table order_position_tracker.flattening (
  kill_id text not null,
  session_id text not null,
  waits text not null,
  primary key (kill_id, session_id)
);
create view reference.flattening_sessions as select kill_id, session_id, waits from order_position_tracker.flattening;

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

-- What a session owns of each asset: always the sum of its ledger entries. Locked before a position changes. `spent`: what its
-- executions have taken of it in all, which only grows.
create table order_position_tracker.balances (
  session_id text not null,
  asset text not null,
  account_id text not null,
  amount numeric not null,
  spent numeric not null,
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

-- The sessions with a position or an open order, as risk-manager asks for a kill.
create view reference.holding_sessions as
  select session_id from order_position_tracker.positions where size <> 0
  union select session_id from order_position_tracker.orders where is_open;

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

-- What an order reads, locks and writes at once. The functions keep one plan each for as long as a connection lives, also one that was
-- made while the tables were all but empty: so none reads a table from its beginning, and `offset 0` keeps a lookup by a key from
-- being joined in another way.

-- order_position_tracker.lock_standing(session, account, order, instrument, addresses, now_ms): locks the session and the account
-- FOR SHARE, and what risk holds back, then the order FOR UPDATE, and gives what says whether the order is sent. Each is read in a statement of its own
-- behind the locks, so that it is as of what they were waited for.
--   addresses         what bans of the account's new orders are kept under
--   session_state     null: the session is gone
--   gap               the first execution that the session's book lacks; null: it has all
--   known             the order; null: there is none yet
--   ban_until_ms      the last end of a ban that runs at now_ms; null: there is none
create function order_position_tracker.lock_standing(
  in_session text, in_account text, in_order text, in_instrument text, in_addresses text[], in_now_ms bigint,
  out session_state text, out stop_policy text, out gap jsonb, out trading_state text, out risk jsonb, out known jsonb,
  out ban_until_ms bigint, out instrument jsonb
) language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
begin
  select s.state, s.session ->> 'stopPolicy' into session_state, stop_policy
  from reference.sessions s where s.id = in_session for share;
  select a.trading_state into trading_state from reference.accounts a where a.id = in_account for share;
  risk := reference.risk_state(in_session, in_account, in_now_ms);
  select o.data into known from order_position_tracker.orders o where o.id = in_order for update;
  select to_jsonb(b) into gap from reference.incomplete_books b where b.session_id = in_session;
  select max(b.until_ms) into ban_until_ms from venues.bans b
  where b.address = any(in_addresses) and b.until_ms > in_now_ms;
  select i.instrument into instrument from reference.instruments i where i.id = in_instrument;
end $$;

-- order_position_tracker.next_standing(queue, lane, addresses, now_ms): the same for the order that a lane's first task, behind the lane's
-- lock, asks to place. No row: the lane has none, or its first task is another one.
--   addresses  JSON: { account: [...] }
create function order_position_tracker.next_standing(in_queue text, in_lane text, in_addresses jsonb, in_now_ms bigint)
returns table (
  order_id text, session_state text, stop_policy text, gap jsonb, trading_state text, risk jsonb, known jsonb, ban_until_ms bigint,
  instrument jsonb
) language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_order jsonb;
begin
  select t.payload -> 'order' into v_order
  from queue.doable(in_queue, in_lane, clock_timestamp(), 1) t where t.type = 'place-order';
  if v_order is null then return; end if;
  return query select v_order ->> 'id', i.* from order_position_tracker.lock_standing(
    v_order ->> 'sessionId', v_order ->> 'accountId', v_order ->> 'id', v_order ->> 'instrumentId',
    array(select jsonb_array_elements_text(in_addresses -> (v_order ->> 'accountId'))), in_now_ms) i;
end $$;

-- order_position_tracker.began_anew(account, fills, within_ms): the instrument whose trade ids have begun anew at the venue, as
-- after a reset of a test network; null: none. A trade has the id of one that is booked and is another one, or its id lies before
-- what was read of the list although it happened after it: ids grow with time.
--   fills       JSON: [{ instrumentId, tradeId, price, size, atMs }]
--   within_ms   by how much the time of one and the same execution may differ
create function order_position_tracker.began_anew(
  in_account text, in_fills jsonb, in_within_ms bigint
) returns text language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
begin
  return (
    select said."instrumentId"
    from jsonb_to_recordset(in_fills) as said (
      "instrumentId" text, "tradeId" text, price numeric, size numeric, "atMs" bigint)
    left join lateral (
      select * from order_position_tracker.fills
      where account_id = in_account and instrument_id = said."instrumentId" and trade_id = said."tradeId" offset 0
    ) f on true
    left join lateral (
      select * from order_position_tracker.fill_cursors
      where account_id = in_account and instrument_id = said."instrumentId" offset 0
    ) c on true
    where (f.trade_id is not null and (
        (f.price, f.size) is distinct from (said.price, said.size) or abs(f.at_ms - said."atMs") > in_within_ms))
      or (f.trade_id is null and said."atMs" > c.at_ms + in_within_ms
        and said."tradeId" ~ '^[0-9]+$' and c.trade_id ~ '^[0-9]+$' and said."tradeId"::numeric < c.trade_id::numeric)
    limit 1
  );
end $$;

-- order_position_tracker.lock_books(keys, fills, within_ms): locks the orders with these keys FOR UPDATE in order of their ids,
-- then the balances of their sessions in order of session and asset: so two transactions never change the money of a session at
-- once. What is read behind the locks, each in a statement of its own, is as of what they were waited for.
--   keys        JSON: { accountId, clientOrderIds, instrumentIds, venueOrderIds }; orders are those with one of these ids of
--               ours, or with one of these ids of the venue in one of these instruments
--   fills, within_ms   as began_anew takes them
--   orders      JSON: [{ order, filledQuote, tradeIds }]. What was booked of an order before a new era of ids began is told again
--               by the venue's list, under its bare id.
--   positions   JSON: [{ sessionId, instrumentId, size, averageEntry, realizedProfit, fees }] of their sessions
--   faulted     which of their sessions have the alert FAULTED_WITH_POSITION open
--   anew        the instrument whose trade ids have begun anew; null: none
create function order_position_tracker.lock_books(
  in_keys jsonb, in_fills jsonb, in_within_ms bigint,
  out orders jsonb, out positions jsonb, out faulted text[], out anew text
) language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_account text := in_keys ->> 'accountId';
  v_client_ids text[] := array(select jsonb_array_elements_text(in_keys -> 'clientOrderIds'));
  v_instruments text[] := array(select jsonb_array_elements_text(in_keys -> 'instrumentIds'));
  v_venue_ids text[] := array(select jsonb_array_elements_text(in_keys -> 'venueOrderIds'));
  v_ids text[] := array(
    select o.id from unnest(v_client_ids) wanted, lateral (
      select id from order_position_tracker.orders
      where client_order_id = wanted and account_id = v_account offset 0) o
    union
    select o.id from unnest(v_venue_ids) wanted, lateral (
      select id from order_position_tracker.orders
      where venue_order_id = wanted and instrument_id = any(v_instruments) and account_id = v_account offset 0) o
  );
  v_sessions text[];
begin
  -- An order whose ids were another's by the time that it is locked is none of them any more.
  select array_agg(id), array_agg(distinct session_id) into v_ids, v_sessions
  from (
    select o.id, o.session_id from order_position_tracker.orders o
    where o.id = any(v_ids) and (o.client_order_id = any(v_client_ids) or o.venue_order_id = any(v_venue_ids))
    order by o.id for update
  ) locked;
  perform from order_position_tracker.balances where session_id = any(v_sessions) order by session_id, asset for update;
  select coalesce(jsonb_agg(jsonb_build_object('order', o.data, 'filledQuote', o.filled_quote::text, 'tradeIds', array(
      select regexp_replace(f.trade_id, '^era\d+:', '') from order_position_tracker.fills f where f.order_id = o.id
    )) order by o.id), '[]') into orders
  from order_position_tracker.orders o where o.id = any(v_ids);
  select coalesce(jsonb_agg(jsonb_build_object('sessionId', p.session_id, 'instrumentId', p.instrument_id,
      'size', p.size::text, 'averageEntry', p.average_entry::text, 'realizedProfit', p.realized_profit::text,
      'fees', p.fees)), '[]') into positions
  from order_position_tracker.positions p where p.session_id = any(v_sessions);
  faulted := array(
    select s from unnest(v_sessions) s, lateral (
      select from alerts.open where scope = 'session:' || s and code = 'FAULTED_WITH_POSITION' offset 0) a);
  if jsonb_array_length(in_fills) > 0 then
    anew := order_position_tracker.began_anew(v_account, in_fills, in_within_ms);
  end if;
end $$;

-- order_position_tracker.write_books(batch): writes what came of orders that the transaction has locked. JSON, decimals as text; each
-- part may be missing:
--   atMs        now, by our clock
--   newOrders   [{ order, isOpen }]: orders that are not there yet
--   orders      [{ order, isOpen, filledQuote }], each order once; null for filledQuote: it stays
--   events      [{ type, from, order, fill }]: changes of orders as they are published; fill may be missing
--   fills       as they are published; what was kept of one as unbookable goes
--   positions   as they are published, each once
--   entries     [{ sessionId, accountId, asset, kind, reference, amount, atMs }] of the ledger; each moves its balance. One that
--               is there already moves nothing.
create function order_position_tracker.write_books(in_batch jsonb) returns void language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_at_ms bigint := in_batch ->> 'atMs';
  v_one record;
begin
  if in_batch ? 'newOrders' then
    insert into order_position_tracker.orders (id, client_order_id, session_id, account_id, instrument_id, number, state,
      is_open, side, size, filled_size, filled_quote, version, data, created_at_ms, updated_at_ms)
    select o.id, o."clientOrderId", o."sessionId", o."accountId", o."instrumentId", o.number, o.state,
      n."isOpen", o.side, o.size, 0, 0, o.version, n."order", v_at_ms, v_at_ms
    from jsonb_to_recordset(in_batch -> 'newOrders') as n ("order" jsonb, "isOpen" boolean),
      jsonb_to_record(n."order") as o (id text, "clientOrderId" text, "sessionId" text, "accountId" text, "instrumentId" text,
        number integer, state text, side text, size numeric, version integer);
  end if;
  if in_batch ? 'orders' then
    -- One by one, each by its key: of a join the planner may read all orders there are.
    for v_one in
      select * from jsonb_to_recordset(in_batch -> 'orders') as o ("order" jsonb, "isOpen" boolean, "filledQuote" numeric)
    loop
      update order_position_tracker.orders set state = v_one."order" ->> 'state', is_open = v_one."isOpen",
        venue_order_id = v_one."order" ->> 'venueOrderId', filled_size = (v_one."order" ->> 'filledSize')::numeric,
        filled_quote = coalesce(v_one."filledQuote", filled_quote), version = (v_one."order" ->> 'version')::integer,
        data = v_one."order", missing_since_ms = null, updated_at_ms = v_at_ms
      where id = v_one."order" ->> 'id';
    end loop;
  end if;
  if in_batch ? 'events' then
    insert into order_position_tracker.order_events (order_id, version, type, data, at_ms)
    select event -> 'order' ->> 'id', (event -> 'order' ->> 'version')::integer, event ->> 'type', event - 'type', v_at_ms
    from jsonb_array_elements(in_batch -> 'events') as event;
  end if;
  if in_batch ? 'fills' then
    delete from order_position_tracker.unbooked u
    using jsonb_to_recordset(in_batch -> 'fills') as f ("accountId" text, "instrumentId" text, "tradeId" text)
    where u.account_id = f."accountId" and u.instrument_id = f."instrumentId" and u.trade_id = f."tradeId";
    insert into order_position_tracker.fills (account_id, instrument_id, trade_id, order_id, session_id, side, price, size,
      fee, fee_asset, maker, at_ms, seen_at_ms)
    select f."accountId", f."instrumentId", f."tradeId", f."orderId", f."sessionId", f.side, f.price, f.size,
      f.fee, f."feeAsset", f.maker, f."atMs", v_at_ms
    from jsonb_to_recordset(in_batch -> 'fills') as f ("accountId" text, "instrumentId" text, "tradeId" text, "orderId" text,
      "sessionId" text, side text, price numeric, size numeric, fee numeric, "feeAsset" text, maker boolean, "atMs" bigint);
  end if;
  if in_batch ? 'positions' then
    insert into order_position_tracker.positions (session_id, instrument_id, account_id, size, average_entry,
      realized_profit, fees, updated_at_ms)
    select p."sessionId", p."instrumentId", p."accountId", p.size, p."averageEntry", p."realizedProfit", p.fees, p."updatedAtMs"
    from jsonb_to_recordset(in_batch -> 'positions') as p ("sessionId" text, "instrumentId" text, "accountId" text,
      size numeric, "averageEntry" numeric, "realizedProfit" numeric, fees jsonb, "updatedAtMs" bigint)
    on conflict (session_id, instrument_id) do update set size = excluded.size, average_entry = excluded.average_entry,
      realized_profit = excluded.realized_profit, fees = excluded.fees, updated_at_ms = excluded.updated_at_ms;
  end if;
  if in_batch ? 'entries' then
    with written as (
      insert into order_position_tracker.ledger (session_id, account_id, asset, kind, reference, amount, at_ms)
      select e."sessionId", e."accountId", e.asset, e.kind, e.reference, e.amount, e."atMs"
      from jsonb_to_recordset(in_batch -> 'entries') as e ("sessionId" text, "accountId" text, asset text, kind text,
        reference text, amount numeric, "atMs" bigint)
      on conflict do nothing returning session_id, account_id, asset, kind, amount)
    insert into order_position_tracker.balances as b (session_id, account_id, asset, amount, spent)
    select session_id, account_id, asset, sum(amount),
      coalesce(-sum(amount) filter (where amount < 0 and kind <> 'capital'), 0)
    from written group by 1, 2, 3 order by 1, 3
    on conflict (session_id, asset) do update set amount = b.amount + excluded.amount, spent = b.spent + excluded.spent;
  end if;
end $$;

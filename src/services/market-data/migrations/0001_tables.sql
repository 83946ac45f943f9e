-- Candles of each series, numbered without a gap: from 1 on as they close, and 0, -1, ... for earlier ones that are added later.
-- Writer: market-data. Only a statement that finds `head_n` (`first_n`) as it read it may add candles at that end, and adds them and
-- moves it in one: so no number is given twice, whoever writes, and none is ever given anew.
create schema market_data;

-- Part of every cache key: what a cache kept of another database, or of a series that was dropped, is never read.
create table market_data.incarnation (
  id uuid not null default gen_random_uuid()
);
insert into market_data.incarnation default values;

create table market_data.series (
  instrument_id text not null,
  time_frame text not null,
  source text not null check (source in ('trades', 'bars')),
  -- Whether the candle that forms is published too.
  forming boolean not null,
  -- How many bars of the venue come before the first live candle, where the venue has them.
  history integer not null check (history > 0),
  -- Of the instrument: the series of a partition have one owner.
  partition integer not null,
  -- Number of the first candle, once there is one.
  first_n integer not null default 1 check (first_n <= 1),
  head_n integer not null default 0 check (head_n >= 0),
  head_open_at_ms bigint,
  -- Source trades: the last trade of the newest candle; aggregation goes on behind it. Null: not yet begun.
  last_trade_id text,
  created_at_ms bigint not null,
  primary key (instrument_id, time_frame)
);
create index series_by_partition on market_data.series (partition);

create table market_data.candles (
  instrument_id text not null,
  time_frame text not null,
  n integer not null,
  open_at_ms bigint not null,
  close_at_ms bigint not null,
  open numeric not null,
  high numeric not null,
  low numeric not null,
  close numeric not null,
  volume numeric not null,
  received_at_ms double precision not null,
  primary key (instrument_id, time_frame, n),
  foreign key (instrument_id, time_frame) references market_data.series
);
create unique index candles_by_time on market_data.candles (instrument_id, time_frame, open_at_ms);

-- One row a back-fill: a series grows at its beginning until its first candle opened at from_ms or earlier, and until it has
-- `count` candles; of both what was asked for. begun_*: where the series began then. cursor_ms: the venue was read down to here, by
-- whole pages; added: candles that this back-fill has stored. progress: share of what was asked for, 0 to 1. failures: how often
-- in a row the venue was asked in vain. end_reason: why it is DONE; error: why it failed or was canceled, or what is tried again.
create table market_data.backfills (
  id uuid primary key,
  instrument_id text not null,
  time_frame text not null,
  state text not null default 'QUEUED' check (state in ('QUEUED', 'RUNNING', 'DONE', 'FAILED', 'CANCELED')),
  from_ms bigint,
  count integer,
  begun_open_at_ms bigint not null,
  begun_count integer not null,
  cursor_ms bigint not null,
  oldest_open_at_ms bigint not null,
  added integer not null default 0,
  progress double precision not null default 0,
  failures integer not null default 0,
  end_reason text,
  error text,
  created_at_ms bigint not null,
  finished_at_ms bigint,
  check (from_ms is not null or count is not null),
  foreign key (instrument_id, time_frame) references market_data.series
);
create index backfills_by_creation on market_data.backfills (created_at_ms, id);
-- One at a time a series.
create unique index open_backfills on market_data.backfills (instrument_id, time_frame) where state in ('QUEUED', 'RUNNING');

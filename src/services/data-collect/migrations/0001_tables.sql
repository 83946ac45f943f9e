-- Feeds that a session's own bars do not cover, asked for by market-data: trades, quotes, or bars of another time frame.
-- Each is followed while a session that runs names its instrument. `time_frame` is '' for all but bars. Writer: data-collect.
create schema data_collect;

create table data_collect.feeds (
  instrument_id text not null,
  kind text not null check (kind in ('trades', 'quotes', 'bars')),
  time_frame text not null default '',
  asked_at_ms bigint not null,
  primary key (instrument_id, kind, time_frame)
);

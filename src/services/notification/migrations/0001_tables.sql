-- Writer: notification. All times are UTC epoch milliseconds of the services' clock.
-- Lock order: recipients, smaller ids first, then alerts by their keys, then deliveries, then messages. Who works a lane has locked it before, and waits for
-- its recipient before it has written anything, or not at all; whoever else would lock the lane after a recipient does so only where it
-- has no open task, and so nobody works it.
create schema notification;

-- Who is told, and what.
create table notification.recipients (
  id uuid primary key,
  -- Who changes it has locked the table against others who do, before any row.
  name text not null unique,
  -- The kind of channel and where it leads, without anything secret.
  channel jsonb not null,
  preferences jsonb not null,
  version integer not null,
  -- Grows with each change of the channel: what an earlier one did says nothing of this one.
  channel_version integer not null default 1,
  -- The number of the next message; dense, in the order of commits, since the row is locked to the commit.
  next_seq bigint not null default 1,
  -- How many notices are held back, also those that are only counted, and how many of them are critical. When they become one
  -- message; null: none is.
  held_count integer not null default 0,
  held_critical integer not null default 0,
  release_at_ms bigint,
  -- The minute that the throttle counts, and how many messages it has.
  throttle_minute bigint not null default 0,
  throttle_count integer not null default 0,
  -- When the lane is tried again after a failure; until then no task is made for it. Null: there is nothing to wait for.
  retry_at_ms bigint,
  -- When the next daily summary is due, and when the last one was made. Null: none is wanted.
  summary_at_ms bigint,
  summarized_at_ms bigint not null,
  created_at_ms bigint not null,
  updated_at_ms bigint not null
) with (fillfactor = 70);
create index recipients_due on notification.recipients (least(release_at_ms, summary_at_ms, retry_at_ms));

-- What a channel needs and nobody is told: addresses with a secret in them, tokens, keys. Read for a delivery alone.
create table notification.secrets (
  recipient_id uuid primary key references notification.recipients on delete cascade,
  secrets jsonb not null
);

-- How a recipient's lane gets on. Written by whoever holds the lane.
create table notification.deliveries (
  recipient_id uuid primary key references notification.recipients on delete cascade,
  -- All messages up to this number are over.
  done_seq bigint not null default 0,
  sent_count bigint not null default 0,
  dead_count bigint not null default 0,
  last_sent_at_ms bigint,
  -- Failures in a row, since when, and why the last one. 0: it takes messages.
  failures integer not null default 0,
  failing_since_ms bigint,
  last_error text,
  -- Whether its alert that it is down, or that it refuses, is open.
  is_down boolean not null default false,
  is_refusing boolean not null default false
) with (fillfactor = 70);

-- One row a message: what a recipient is told, in the order of seq. Its id never changes.
create table notification.messages (
  id uuid primary key,
  -- Many: those of a recipient that is deleted go by and by.
  recipient_id uuid not null,
  seq bigint not null,
  content jsonb not null,
  -- dead: the channel has refused it for good.
  state text not null default 'waiting' check (state in ('waiting', 'sent', 'dead')),
  attempts integer not null default 0,
  error text,
  created_at_ms bigint not null,
  ended_at_ms bigint,
  unique (recipient_id, seq)
) with (fillfactor = 80);
create index messages_ended on notification.messages (ended_at_ms) where state <> 'waiting';
create index messages_not_sent on notification.messages (recipient_id, seq) where state <> 'sent';

-- Recipients that are deleted and have left messages.
create table notification.deleted_recipients (id uuid primary key);

-- What is held back for a recipient (quiet hours, a digest, a throttle, a full lane), in order; it becomes one message. At most 50
-- each, what is critical before the rest.
create table notification.held (
  recipient_id uuid not null references notification.recipients on delete cascade,
  n bigint generated always as identity,
  content jsonb not null,
  primary key (recipient_id, n)
);

-- What people were told of alerts: a row each that is open here, by the events that have come. One that is over stays while it is silenced
-- and someone does not know its end.
create table notification.alerts (
  scope text not null,
  code text not null,
  severity text not null,
  raised_at_ms bigint not null,
  over_at_ms bigint,
  -- Recipients that were told of it, and will be told of its end.
  told uuid[] not null,
  -- Its last news was told to nobody, since a person has silenced it: it is told after the silence.
  silenced boolean not null,
  primary key (scope, code)
);
create index alerts_silenced on notification.alerts (scope, code) where silenced;

-- Fills of the last days, for the daily summary.
create table notification.fills (
  session_id text not null,
  at_ms bigint not null,
  side text not null,
  value numeric not null,
  fee numeric not null,
  fee_asset text not null
);
create index fills_by_time on notification.fills (at_ms);

-- Writer: monitoring. What only the leader writes is fenced by its epoch; the rest is written by whoever is asked or owns the partition.
create schema monitoring;

-- Each service of each process as it said last, and when that was heard. Written by the leader, but for `gone`.
create table monitoring.instances (
  service text not null,
  instance text not null,
  beat jsonb not null,
  heard_at_ms bigint not null,
  -- It was found silent since, and which instance has taken its place.
  missed boolean not null,
  replaced_by text,
  -- A person has said since that it is gone for good.
  gone boolean not null default false,
  primary key (service, instance)
);

-- Each change of a role's leader that was seen. Written by the leader; kept for a day.
create table monitoring.role_changes (
  role text not null,
  epoch bigint not null,
  holder text not null,
  seen_at_ms bigint not null,
  primary key (role, epoch)
);
create index role_changes_by_age on monitoring.role_changes (seen_at_ms);

-- What is to be told of. `changed`: a person has changed a shipped one, which is then kept as it is.
create table monitoring.rules (
  id text primary key,
  rule jsonb not null,
  shipped boolean not null,
  changed boolean not null default false,
  updated_at_ms bigint not null
);

-- Where a rule is met, since when, and since when no more. Written by the leader: the next one goes on from here.
create table monitoring.conditions (
  rule_id text not null,
  subject text not null,
  since_ms bigint not null,
  over_since_ms bigint,
  primary key (rule_id, subject)
);

-- When the leader looked last, and what it could not see.
create table monitoring.looks (
  single boolean primary key default true check (single),
  epoch bigint not null,
  at_ms bigint not null,
  blind jsonb not null
);

-- The history of alerts of all services: a row each time that one was raised, from the topic of alerts.
create table monitoring.alerts (
  id uuid primary key,
  scope text not null,
  code text not null,
  severity text not null,
  text text not null,
  data jsonb not null,
  raised_at_ms bigint not null,
  cleared_at_ms bigint,
  -- Who has seen it, when, and what they said.
  acknowledged jsonb
);
create unique index alerts_open on monitoring.alerts (scope, code) where cleared_at_ms is null;
create index alerts_by_age on monitoring.alerts (raised_at_ms, id);
create index alerts_over on monitoring.alerts (cleared_at_ms) where cleared_at_ms is not null;

-- What nobody is to be told of for a while: also where it is over meanwhile, and comes again.
create table monitoring.silences (
  scope text not null,
  code text not null,
  until_ms bigint not null,
  by_whom text not null,
  reason text not null,
  at_ms bigint not null,
  primary key (scope, code)
);

-- For who tells persons of alerts: what they asked not to be told of, and until when (UTC epoch milliseconds).
create view reference.alert_silences as select scope, code, until_ms from monitoring.silences;

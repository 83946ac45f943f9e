-- Alerts that are open: each was raised once, by its scope and code, and is ended by whoever knows that it is over. Written by
-- src/shared/alerts/raise-alert.ts alone, with the event, in the transaction of what it tells of.
create schema alerts;

create table alerts.open (
  scope text not null,
  code text not null,
  severity text not null,
  text text not null,
  data jsonb not null,
  raised_at_ms bigint not null,
  primary key (scope, code)
);
create index open_by_age on alerts.open (raised_at_ms, scope, code);

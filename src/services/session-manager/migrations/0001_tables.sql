-- Writer: session-manager. The sessions themselves stand in reference.sessions.
create schema session_manager;

-- What a start of a session still waits for: RUNNING once both hold for its present run. waits: what a service said last of why
-- it has not warm or reconciled it yet, in sentences, by the report it waits to make: {"warm": ..., "reconciled": ...}.
create table session_manager.readiness (
  session_id text primary key,
  run integer not null,
  warm boolean not null,
  reconciled boolean not null,
  waits jsonb not null default '{}'
);

-- What risk denied of a session's signals since the start `run`.
create table session_manager.denials (
  session_id text primary key,
  run integer not null,
  count integer not null,
  last_code text not null,
  last_reason text not null,
  last_at_ms bigint not null
);

-- What happened to each session, one row a version: by whom (a person as the gateway names it, or a service), and at whose word (what
-- was asked for, or the type of the report). what: the fields that were changed, or the codes of what is missing or is missing no more.
create table session_manager.events (
  session_id text not null,
  version integer not null,
  run integer not null,
  kind text not null,
  state text not null,
  reason text,
  what text[] not null,
  by text not null,
  cause text not null,
  at_ms bigint not null,
  primary key (session_id, version)
);
create index events_by_time on session_manager.events (at_ms);

-- Answers given under an Idempotency-Key, written in the transaction of the change. `answer` is null only inside that transaction.
create table session_manager.idempotency_keys (
  caller text not null,
  route text not null,
  key text not null,
  fingerprint text not null,
  answer jsonb,
  created_at_ms bigint not null,
  primary key (caller, route, key)
);
create index idempotency_keys_by_age on session_manager.idempotency_keys (created_at_ms);

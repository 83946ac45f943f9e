-- What a person made of dead events and tasks. Writer: src/shared/dead, in the transaction of the action.
-- Rows stay as long as R3_DECISIONS_KEEP_DAYS says, and while what they are about is not over.
create schema dead;

create table dead.actions (
  id uuid primary key,
  service text not null,
  kind text not null check (kind in ('event', 'task')),
  -- Of the event (bus.parked) or task (queue.tasks).
  dead_id uuid not null,
  action text not null check (action in ('redrive', 'discard')),
  -- Who: `local` until there are users.
  by_whom text not null,
  reason text not null,
  at_ms bigint not null,
  -- The event or task as it was: of one that was discarded nothing else is left.
  subject jsonb not null
);
create index actions_by_dead on dead.actions (dead_id, at_ms);
create index actions_by_age on dead.actions (at_ms);

-- Writer: session-manager. What a service said last of why it has not warm or reconciled the present run yet, in sentences,
-- by the report it waits to make: {"warm": ..., "reconciled": ...}.
alter table session_manager.readiness add column waits jsonb not null default '{}';

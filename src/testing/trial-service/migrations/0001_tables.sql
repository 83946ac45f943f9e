-- Writer: trial.
create schema trial;

-- One row a session: its newest position, in the base asset.
create table trial.notes (
  session_id text primary key,
  size numeric not null
);

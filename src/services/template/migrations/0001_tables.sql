-- Writer: template.
create schema template;

-- One row a session: its newest position, in the base asset.
create table template.notes (
  session_id text primary key,
  instrument_id text not null,
  size numeric not null
);

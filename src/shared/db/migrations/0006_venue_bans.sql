-- Until when nothing may leave for a venue's address, as it has told us: all processes of this database heed it.
-- Written and read by src/shared/exchange/postgres-bans.ts alone.
create schema venues;

create table venues.bans (
  address text primary key,
  until_ms bigint not null
);

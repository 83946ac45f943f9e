-- Until when nothing may leave for a venue's address, as it has told us: all processes of this database heed it.
-- Written by src/shared/exchange/postgres-bans.ts alone; the intent of an order reads them with its own locks.
create schema venues;

create table venues.bans (
  address text primary key,
  until_ms bigint not null
);

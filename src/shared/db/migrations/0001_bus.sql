-- The bus: the log is the topic, the broker only makes it fast (src/shared/bus). Writer: the bus in each process.
create schema bus;

-- One row a partition of a durable topic. Its lock is held to the commit, so that seq is dense and equals commit order.
create table bus.partitions (
  topic text not null,
  part integer not null,
  next_seq bigint not null default 1,
  primary key (topic, part)
) with (fillfactor = 50);

-- The events. `envelope` is the whole event as the broker carries it, without its seq and partition.
create table bus.log (
  topic text not null,
  part integer not null,
  seq bigint not null,
  key text not null,
  type text not null,
  version integer not null,
  envelope jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (topic, part, seq)
);

-- The inbox of a group: all up to `seq` is done. `epoch` is the unit's owner, and fences older ones.
create table bus.positions (
  group_name text not null,
  topic text not null,
  part integer not null,
  seq bigint not null default 0,
  epoch bigint not null default 0,
  primary key (group_name, topic, part)
) with (fillfactor = 50);

-- Who is there to own units of a group. Counts as gone a lease after its last beat, by this server's clock.
create table bus.members (
  group_name text not null,
  member text not null,
  beat_at timestamptz not null default clock_timestamp(),
  lease_ms integer not null,
  primary key (group_name, member)
);

-- One row: the time line of this database. Changes when it is restored, so that streams of a lost one are never read.
create table bus.incarnation (
  single boolean primary key default true check (single),
  id text not null default replace(gen_random_uuid()::text, '-', '')
);
insert into bus.incarnation default values;

-- Events that wait behind a failed one of their key (parked), or that no one will try again (dead).
create table bus.parked (
  group_name text not null,
  topic text not null,
  part integer not null,
  seq bigint not null,
  key text not null,
  state text not null default 'parked' check (state in ('parked', 'dead')),
  tries integer not null default 0,
  error text,
  raw bytea,
  next_try_at timestamptz not null default clock_timestamp(),
  primary key (group_name, topic, part, seq)
);
create index parked_by_key on bus.parked (group_name, topic, key, seq);

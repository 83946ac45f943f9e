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
  -- Up to here events are handled one by one: the handler of one among them has not ended in time.
  careful bigint not null default 0,
  primary key (group_name, topic, part)
) with (fillfactor = 50);

-- Who is there to own units of a group. Counts as gone a lease after its last beat, by this server's clock.
-- Unlogged: a beat waits for no disk, and after a crash of the server everyone announces itself again.
create unlogged table bus.members (
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

-- One row: the key that what goes through the broker and the cache is sealed with. It is never anywhere else.
create table bus.seal (
  single boolean primary key default true check (single),
  key bytea not null default sha256((gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text)::bytea)
);
insert into bus.seal default values;

-- Events that a group has passed without their effect. They make lanes, one a key of a topic: parked ones are tried again in order,
-- dead ones by nobody, until a person redrives or discards them. `raw` is the event as it came: the log may forget it meanwhile.
create table bus.parked (
  -- Grows with time (UUIDv7).
  id uuid primary key,
  group_name text not null,
  topic text not null,
  part integer not null,
  seq bigint not null,
  key text not null,
  state text not null check (state in ('parked', 'dead')),
  -- How often it has failed; 0: it only waits behind another one.
  tries integer not null,
  error text,
  raw bytea not null,
  parked_at_ms bigint not null default (extract(epoch from clock_timestamp()) * 1000)::bigint,
  next_try_at timestamptz not null,
  unique (group_name, topic, part, seq)
);
create index parked_lanes on bus.parked (group_name, topic, key, part, seq);
create index parked_waiting on bus.parked (group_name, topic, key, part, seq) where state = 'parked';

-- bus.append(batch): adds events to the log.
--   batch   JSON: [{ topic, part, entries: [{ key, type, version, envelope }] }], partitions in sorted order
--   result  the seq of the first event of each element of the batch
create function bus.append(batch text) returns bigint[] language plpgsql as $$
declare
  element jsonb;
  first bigint;
  amount integer;
  firsts bigint[] := '{}';
begin
  for element in select value from jsonb_array_elements(batch::jsonb) loop
    amount := jsonb_array_length(element -> 'entries');
    loop
      update bus.partitions set next_seq = next_seq + amount
      where topic = element ->> 'topic' and part = (element ->> 'part')::integer
      returning next_seq - amount into first;
      exit when found;
      insert into bus.partitions (topic, part) values (element ->> 'topic', (element ->> 'part')::integer)
      on conflict do nothing;
    end loop;
    insert into bus.log (topic, part, seq, key, type, version, envelope)
    select element ->> 'topic', (element ->> 'part')::integer, first + place - 1,
      entry ->> 'key', entry ->> 'type', (entry ->> 'version')::integer, entry -> 'envelope'
    from jsonb_array_elements(element -> 'entries') with ordinality as entries (entry, place);
    firsts := firsts || first;
  end loop;
  return firsts;
end $$;

-- bus.advance(group, part, epoch, topics, befores, afters): moves positions of a unit on, in order of the topics given.
--   fails   SQLSTATE R3001 (fenced) when the epoch is another one or a position is not at its `before`
create function bus.advance(
  in_group text, in_part integer, in_epoch bigint, topics text[], befores bigint[], afters bigint[]
) returns void language plpgsql as $$
begin
  for place in 1 .. cardinality(topics) loop
    update bus.positions set seq = afters[place]
    where group_name = in_group and topic = topics[place] and part = in_part
      and epoch = in_epoch and seq = befores[place];
    if not found then
      raise exception using errcode = 'R3001',
        message = format('position of %s in %s:%s is not at %s of epoch %s', in_group, topics[place], in_part, befores[place], in_epoch);
    end if;
  end loop;
end $$;

-- bus.beat(group, member, lease_ms): announces a member; gives all members of the group that are there, itself included.
create function bus.beat(in_group text, in_member text, in_lease_ms integer) returns setof text language plpgsql as $$
begin
  insert into bus.members (group_name, member, lease_ms) values (in_group, in_member, in_lease_ms)
  on conflict (group_name, member) do update set beat_at = clock_timestamp(), lease_ms = excluded.lease_ms;
  -- Long gone: nobody counts them any more.
  delete from bus.members where group_name = in_group and beat_at < clock_timestamp() - interval '1 hour';
  return query select member from bus.members
    where group_name = in_group and (member = in_member or beat_at + lease_ms * interval '1 ms' > clock_timestamp());
end $$;

-- Who is the one: unit owners, shard leaders, monitoring, sweepers. All times are of the Postgres clock.
-- Two rows a role, so that the writers who hold the epoch FOR SHARE never delay the extension of the lease.
create schema leadership;

-- Touched by extension, takeover and release only. Free: lease_until has passed.
create table leadership.leases (
  role text primary key,
  -- Random for each start of a process.
  holder text not null,
  lease_until timestamptz not null
) with (fillfactor = 50);

-- Grows with each takeover; every write of a leader holds it FOR SHARE in its transaction.
create table leadership.epochs (
  role text primary key,
  epoch bigint not null
) with (fillfactor = 50);

-- leadership.fence(role, epoch): holds the epoch to the end of the transaction.
--   fails   SQLSTATE R3001 (fenced) unless it is this one
create function leadership.fence(in_role text, in_epoch bigint) returns void language plpgsql as $$
begin
  perform 1 from leadership.epochs where role = in_role and epoch = in_epoch for share;
  if not found then
    raise exception using errcode = 'R3001', message = format('%s is not led under epoch %s', in_role, in_epoch);
  end if;
end $$;

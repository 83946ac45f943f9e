-- Tasks as rows. A task is written in the transaction that wants it; BullMQ only wakes a worker up.
-- All times are of the Postgres clock. Lock order: the lane's row before its tasks.
create schema queue;

create table queue.lanes (
  queue text not null,
  lane text not null,
  -- The number the next task gets; dense, in the order of commits, since the row is locked to the commit.
  next_seq bigint not null default 1,
  -- Grows each time a worker takes the lane; a worker of an older epoch writes nothing any more.
  epoch bigint not null default 0,
  owner text,
  lease_until timestamptz,
  -- When the sweeper has to wake the lane: shortly after a task came, or when a task that was put off is due. Null: nothing to do.
  wake_at timestamptz,
  primary key (queue, lane)
) with (fillfactor = 70);
create index lanes_to_wake on queue.lanes (queue, wake_at) where wake_at is not null;

create table queue.tasks (
  id uuid primary key,
  queue text not null,
  lane text not null,
  seq bigint not null,
  -- Lower goes first. Within one priority of a lane the order of seq never turns.
  priority smallint not null,
  type text not null,
  payload jsonb not null,
  -- dead: nobody tries it until a person redrives or discards it.
  state text not null default 'open' check (state in ('open', 'done', 'dead')),
  -- Whether a dead one holds back the later ones of its priority in its lane.
  holds boolean not null default false,
  -- The session that a dead one was for.
  session_id text,
  -- How often a worker has begun it.
  attempts integer not null default 0,
  -- How often it has failed since it was last put off or redriven; waits for what is away do not count.
  failures integer not null default 0,
  -- Not before this time; -infinity: never put off.
  run_after timestamptz not null default '-infinity',
  outcome jsonb,
  error text,
  traceparent text,
  created_at_ms bigint not null,
  done_at_ms bigint
) with (fillfactor = 70);
create unique index tasks_open on queue.tasks (queue, lane, priority, seq) where state = 'open';
create index tasks_dead on queue.tasks (queue, lane, priority, seq) where state = 'dead';
create index tasks_failing on queue.tasks (queue, created_at_ms, id) where state = 'dead' or (state = 'open' and failures > 0);

create function queue.epoch_ms(at timestamptz) returns bigint
language sql stable return floor(extract(epoch from at) * 1000)::bigint;

-- Writes tasks, each under the next number of its lane, in the order given: p_tasks is JSON, [{id, queue, lane, priority, type,
-- payload, traceparent}]. Their lanes stay locked to the end of the transaction, and are locked in the order of their names.
-- p_grace_ms: how long the wake-ups that follow may take before the sweeper repeats them. A new lane's epoch begins with the time
-- in milliseconds, above all epochs of a lane of this name that was deleted.
create function queue.enqueue(p_tasks jsonb, p_grace_ms double precision) returns void
language plpgsql as $$
declare
  v_now timestamptz := clock_timestamp();
  v_task record;
  v_seq bigint;
begin
  for v_task in
    select * from rows from (jsonb_to_recordset(p_tasks) as (
      id uuid, queue text, lane text, priority smallint, type text, payload jsonb, traceparent text
    )) with ordinality as t (id, queue, lane, priority, type, payload, traceparent, place)
    order by t.queue, t.lane, t.place
  loop
    insert into queue.lanes as l (queue, lane, next_seq, epoch, wake_at)
    values (v_task.queue, v_task.lane, 2, queue.epoch_ms(v_now), v_now + p_grace_ms * interval '1 ms')
    on conflict (queue, lane) do update
    set next_seq = l.next_seq + 1, wake_at = least(l.wake_at, excluded.wake_at)
    returning next_seq - 1 into v_seq;
    insert into queue.tasks (id, queue, lane, seq, priority, type, payload, traceparent, created_at_ms)
    values (v_task.id, v_task.queue, v_task.lane, v_seq, v_task.priority, v_task.type, v_task.payload, v_task.traceparent,
      queue.epoch_ms(v_now));
  end loop;
end
$$;

-- The tasks of a lane that may be done at p_now, in the order to do them. A task that is put off holds back the later ones
-- of its priority, not those of another; so does a dead one whose type says so.
create function queue.doable(p_queue text, p_lane text, p_now timestamptz, p_limit integer) returns setof queue.tasks
language sql stable as $$
  select t.* from queue.tasks t
  where t.queue = p_queue and t.lane = p_lane and t.state = 'open' and t.run_after <= p_now
    and not exists (
      select from queue.tasks e
      where e.queue = p_queue and e.lane = p_lane and e.state = 'open'
        and e.priority = t.priority and e.seq < t.seq and e.run_after > p_now
    )
    and not exists (
      select from queue.tasks d
      where d.queue = p_queue and d.lane = p_lane and d.state = 'dead'
        and d.priority = t.priority and d.seq < t.seq and d.holds
    )
  order by t.priority, t.seq
  limit p_limit
$$;

-- Locks a lane to the end of the transaction and gives what may be done (transaction mode). No rows: nothing.
create function queue.lock_lane(p_queue text, p_lane text, p_limit integer) returns setof queue.tasks
language plpgsql as $$
declare
  v_now timestamptz;
begin
  perform from queue.lanes where queue = p_queue and lane = p_lane for no key update;
  -- A statement of its own, so that it sees what the lock was waited for.
  v_now := clock_timestamp();
  return query select * from queue.doable(p_queue, p_lane, v_now, p_limit);
  if not found then
    update queue.lanes set wake_at = queue.next_wake(p_queue, p_lane, v_now)
    where queue = p_queue and lane = p_lane and wake_at is not null;
  end if;
end
$$;

-- When a lane without doable tasks has to be woken: its first task that is put off. Null: it is empty.
create function queue.next_wake(p_queue text, p_lane text, p_now timestamptz) returns timestamptz
language plpgsql stable as $$
begin
  return (
    select min(run_after) from queue.tasks
    where queue = p_queue and lane = p_lane and state = 'open' and run_after > p_now
  );
end
$$;

-- Takes a lane's lease and its first task (lease mode). p_epoch null: a new lease under the next epoch, nothing when another
-- worker's lease still runs; else the caller goes on under its lease, nothing when that is no longer its own.
-- Columns: the lane's epoch, and the task with its attempts counted. No rows: nothing to do for the caller.
create function queue.lease_lane(p_queue text, p_lane text, p_owner text, p_lease_ms double precision, p_epoch bigint)
returns table (lane_epoch bigint, task queue.tasks)
language plpgsql as $$
declare
  v_lane queue.lanes;
  v_now timestamptz;
  v_task queue.tasks;
begin
  select * into v_lane from queue.lanes l where l.queue = p_queue and l.lane = p_lane for no key update;
  v_now := clock_timestamp();
  if not found then return; end if;
  if p_epoch is null then
    if v_lane.lease_until > v_now then return; end if;
    v_lane.epoch := v_lane.epoch + 1;
  elsif v_lane.epoch <> p_epoch or v_lane.owner is null then
    return;
  end if;
  select * into v_task from queue.doable(p_queue, p_lane, v_now, 1);
  if not found then
    update queue.lanes l set wake_at = queue.next_wake(p_queue, p_lane, v_now), owner = null, lease_until = null
    where l.queue = p_queue and l.lane = p_lane and (l.wake_at is not null or l.owner is not null);
    return;
  end if;
  update queue.tasks t set attempts = t.attempts + 1 where t.id = v_task.id returning t.* into v_task;
  update queue.lanes l
  set epoch = v_lane.epoch, owner = p_owner, lease_until = v_now + p_lease_ms * interval '1 ms'
  where l.queue = p_queue and l.lane = p_lane;
  return query select v_lane.epoch, v_task;
end
$$;

-- Ends a step of a worker that has locked the lane. p_done: [{id, attempts, outcome}], p_later:
-- [{id, attempts, failures, delayMs, error, state, holds, sessionId}]; state dead: it is not tried again. p_tasks and p_grace_ms:
-- new tasks of any lanes, written first, as queue.enqueue does.
-- True: more may be done at once (a lease is then kept). False: the lane is released and will be woken when it has to be.
create function queue.finish(
  p_queue text, p_lane text, p_done jsonb, p_later jsonb, p_tasks jsonb, p_grace_ms double precision
) returns boolean language plpgsql as $$
declare
  v_now timestamptz;
  v_wake_at timestamptz;
  v_task record;
begin
  if jsonb_array_length(p_tasks) > 0 then perform queue.enqueue(p_tasks, p_grace_ms); end if;
  v_now := clock_timestamp();
  -- One by one, by their ids: joined with JSON, of which the planner knows nothing, all open tasks would be read.
  for v_task in select * from jsonb_to_recordset(p_done) as d (id uuid, attempts integer, outcome jsonb) loop
    update queue.tasks
    set state = 'done', attempts = v_task.attempts, outcome = v_task.outcome, error = null, done_at_ms = queue.epoch_ms(v_now)
    where id = v_task.id and state = 'open';
  end loop;
  for v_task in
    select * from jsonb_to_recordset(p_later) as l (
      id uuid, attempts integer, failures integer, "delayMs" double precision, error text, state text, holds boolean,
      "sessionId" text)
  loop
    update queue.tasks
    set run_after = v_now + v_task."delayMs" * interval '1 ms', attempts = v_task.attempts, failures = v_task.failures,
      error = v_task.error, state = v_task.state, holds = v_task.holds, session_id = v_task."sessionId"
    where id = v_task.id and state = 'open';
  end loop;
  -- Mostly nothing is left, and one look says so.
  perform from queue.tasks where queue = p_queue and lane = p_lane and state = 'open' limit 1;
  if found then
    perform from queue.doable(p_queue, p_lane, v_now, 1);
    if found then return true; end if;
    v_wake_at := queue.next_wake(p_queue, p_lane, v_now);
  end if;
  update queue.lanes set owner = null, lease_until = null, wake_at = v_wake_at where queue = p_queue and lane = p_lane;
  return false;
end
$$;

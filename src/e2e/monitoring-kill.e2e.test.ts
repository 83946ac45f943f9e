import { afterAll, beforeAll, expect, test } from "bun:test";
import { z } from "zod";
import { postJson } from "#local/rest.ts";
import { defineTask } from "#shared/messages/tasks.ts";
import { eventually, type RunningProcess, startProcess, untilReady } from "#testing/alone.fixture.ts";
import { itemsOf } from "#testing/alone-work.fixture.ts";
import { createWorld, type World } from "#testing/alone-world.fixture.ts";

const ROLE = "monitoring:look";
/** Rules of each kind. */
const EACH = 5;
/** How long a rule has to be met whose time runs out while nobody leads. */
const DUE_AFTER_MS = 8_000;
/** A killed leader's lease runs out, then the next one looks. */
const LONGEST_PAUSE_MS = 15_000;
/** Between the time at which something is due and the look that tells of it: three looks. */
const LATEST_MS = 6_000;

/** Queues that nobody works: a test says what waits in them. */
const QUEUES = { kept: taskOf("kept"), ended: taskOf("ended"), fresh: taskOf("fresh") };
type Queue = keyof typeof QUEUES;
/** kept: met from before the kill to the end. due: alike, and told of after a while. ended, fresh: ends, begins while nobody leads. */
const RULES = { KEPT: "kept", DUE: "kept", ENDED: "ended", FRESH: "fresh" } as const;
type Rules = keyof typeof RULES;

function taskOf(queue: string) {
  const payload = z.object({});
  return defineTask({ queue, type: `${queue}-task`, lane: "nothing", payload, onDead: "skip" });
}

let world: World;
const running = new Map<number, RunningProcess>();

beforeAll(async () => {
  world = await createWorld();
  for (let count = 0; count < 2; count += 1) await start();
});

afterAll(async () => {
  for (const one of running.values()) await one.stop();
  await world.close();
});

async function start(): Promise<void> {
  const one = await startProcess(["monitoring"], world.settings);
  running.set(one.pid, one);
  await untilReady(one);
}

/** The newest look: under which epoch, and when. */
async function newestLook(): Promise<{ epoch: number; atMs: number }> {
  return await eventually("somebody looks", async () => {
    const [row] = await world.db.sql<{ epoch: number; atMs: number }[]>`
      select epoch, at_ms as "atMs" from monitoring.looks`;
    return row;
  });
}

/** The process that leads by its lease; its heartbeat says which it is. */
async function leader(): Promise<RunningProcess> {
  return await eventually("somebody leads whom one has heard", async () => {
    const [row] = await world.db.sql<{ pid: number }[]>`
      select (beat ->> 'pid')::int as pid from leadership.leases join monitoring.instances on instance = holder
      where role = ${ROLE} and lease_until > clock_timestamp()`;
    return row === undefined ? null : running.get(row.pid);
  });
}

/** Does something to the leader; gives the time without a look around it, in milliseconds, and when the next leader looked. */
async function withoutLooks(body: () => Promise<void>): Promise<{ pauseMs: number; nextAtMs: number }> {
  const before = await newestLook();
  let lastAtMs = before.atMs;
  const another = eventually(
    "another one looks",
    async () => {
      const look = await newestLook();
      if (look.epoch > before.epoch) return look;
      lastAtMs = look.atMs;
      return null;
    },
    2 * LONGEST_PAUSE_MS,
  );
  const [next] = await Promise.all([another, body()]);
  return { pauseMs: next.atMs - lastAtMs, nextAtMs: next.atMs };
}

async function putTasks(...queues: Queue[]): Promise<void> {
  await world.db.transaction(async (tx) => {
    for (const queue of queues) await world.queue.enqueue(tx, { task: QUEUES[queue], lane: "one", payload: {} });
  });
}
const endTasks = (queue: Queue) => world.db.sql`update queue.tasks set state = 'done' where queue = ${queue}`;

async function makeRules(kind: Rules): Promise<void> {
  const [one] = running.values();
  const condition = { fact: "queue.open", comparison: "above", limit: 0, forMs: kind === "DUE" ? DUE_AFTER_MS : 0 };
  const words = { severity: "warning", text: "Something waits.", toDo: "Nothing.", only: [`queue:${RULES[kind]}`] };
  for (let number = 0; number < EACH; number += 1) {
    const { status } = await postJson(`${one?.url}/api/monitoring/rules`, {
      id: `${kind}_${number}`,
      ...condition,
      ...words,
    });
    expect(status).toBe(201);
  }
}

/** How many alerts of these rules are open. */
async function open(kind: Rules): Promise<number> {
  const rows = await world.db.sql`select 1 from alerts.open where starts_with(scope, ${`rule:${kind}_`})`;
  return rows.length;
}
const untilOpen = (kind: Rules, count: number) =>
  eventually(`${count} of ${kind} are open`, async () => (await open(kind)) === count, 30_000);

/** Freezes the leader within a look: while it waits for what it sees, and so before its commit. */
async function freezeInLook(frozen: RunningProcess): Promise<void> {
  await world.db.transaction(async (tx) => {
    await tx.sql`lock table queue.tasks in access exclusive mode`;
    await eventually("it waits within a look", async () => {
      const rows = await world.db.sql`
        select 1 from pg_stat_activity
        where wait_event = 'relation' and query like '%oldestCreatedAtMs%' and datname = current_database()`;
      return rows.length > 0;
    });
    process.kill(frozen.pid, "SIGSTOP");
  });
}

/** Raised and ended, by the scope. */
async function toldOf(): Promise<Map<string, string[]>> {
  const rows = await world.db.sql<{ scope: string; types: string[] }[]>`
    select key as scope, array_agg(type order by seq) as types from bus.log
    where topic = 'alerts' and starts_with(key, 'rule:') group by key order by key`;
  return new Map(rows.map(({ scope, types }) => [scope, types]));
}

test("two instances: one leads; killed, frozen and stopped, it is followed by another within seconds, and no alert is lost or doubled", async () => {
  for (const kind of Object.keys(RULES) as Rules[]) await makeRules(kind);
  await putTasks("kept", "ended");
  await untilOpen("KEPT", EACH);
  await untilOpen("ENDED", EACH);

  const killed = await withoutLooks(async () => {
    const first = await leader();
    process.kill(first.pid, "SIGKILL");
    running.delete(first.pid);
    await endTasks("ended");
    await putTasks("fresh");
  });
  await untilOpen("FRESH", EACH);
  await untilOpen("ENDED", 0);
  await untilOpen("DUE", EACH);
  const due = await world.db.sql<{ lateMs: number }[]>`
    select raised_at_ms - greatest((data ->> 'sinceMs')::bigint + ${DUE_AFTER_MS}, ${killed.nextAtMs}) as "lateMs"
    from alerts.open where starts_with(scope, 'rule:DUE_')`;
  for (const { lateMs } of due) expect(lateMs).toBeLessThan(LATEST_MS);

  await start();
  const second = await leader();
  const frozen = await withoutLooks(() => freezeInLook(second));
  await endTasks("fresh");
  await untilOpen("FRESH", 0);
  const present = await newestLook();
  process.kill(second.pid, "SIGCONT");
  const epochs = new Set<number>();
  await eventually("three more looks", async () => {
    const look = await newestLook();
    epochs.add(look.epoch);
    return look.atMs > present.atMs + 6_000;
  });
  expect([...epochs]).toEqual([present.epoch]);
  expect(second.log.filter((line) => line.includes(`${ROLE} is not led under epoch`))).toHaveLength(1);

  const stopped = await withoutLooks(async () => {
    const third = await leader();
    running.delete(third.pid);
    expect((await third.stop()).code).toBe(0);
  });
  await endTasks("kept");
  await untilOpen("KEPT", 0);
  await untilOpen("DUE", 0);

  const told = await toldOf();
  const scopes = Object.entries(RULES).flatMap(([kind, queue]) =>
    Array.from({ length: EACH }, (_, number) => `rule:${kind}_${number}/queue:${queue}`),
  );
  const lost = scopes.filter((scope) => !told.has(scope));
  const doubled = [...told].filter(([, types]) => types.length > 2).map(([scope]) => scope);
  const seconds = ({ pauseMs }: { pauseMs: number }) => `${(pauseMs / 1_000).toFixed(1)} s`;
  process.stdout.write(
    `monitoring, time without a look: leader killed ${seconds(killed)}, frozen ${seconds(frozen)}, stopped in order ` +
      `${seconds(stopped)}; ${scopes.length} alerts, ${lost.length} lost, ${doubled.length} doubled\n`,
  );
  expect({ lost, doubled }).toEqual({ lost: [], doubled: [] });
  for (const scope of scopes) expect([scope, told.get(scope)]).toEqual([scope, ["alert.raised", "alert.cleared"]]);
  const [last] = running.values();
  await eventually("the history has each once", async () => {
    const over = await itemsOf(`${last?.url}/api/monitoring/alerts?state=over&scope=rule:&limit=1000`);
    return over.length === scopes.length;
  });
  for (const { pauseMs } of [killed, frozen, stopped]) expect(pauseMs).toBeLessThan(LONGEST_PAUSE_MS);
}, 180_000);

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { getJson, postJson } from "#local/rest.ts";
import { SERVICES } from "#local/services.ts";
import type { Db } from "#shared/db/db.ts";
import { createPostgresDb } from "#shared/db/postgres.ts";
import type { DeadDetail, DeadItem } from "#shared/dead/dead-item.ts";
import { ORDERS } from "#shared/messages/topics.ts";
import { eventually, type RunningProcess, startProcess, untilReady } from "#testing/alone.fixture.ts";
import { INSTRUMENT, type RunningApi, sessionBody, startApi } from "#testing/api.fixture.ts";

interface Seen {
  state: string;
  degraded: { code: string; text: string }[];
}
interface Alert {
  scope: string;
  code: string;
  severity: string;
  data: { sessionId?: string };
}

let api: RunningApi;
let engine: RunningProcess;
let db: Db;
beforeAll(async () => {
  // All sessions share a partition: what is in the way of one is in the way of all.
  const settings = { R3_PARTITIONS: "1", R3_DEAD_AFTER_TRIES: "3", R3_SESSION_MANAGER_WATCH_MS: "200" };
  api = await startApi(settings);
  engine = api.process;
  db = createPostgresDb(api.settings["DATABASE_URL"] ?? "", { maxConnections: 2 });
  await db.sql.unsafe(`create function public.poison() returns trigger language plpgsql as
    $$ begin raise exception 'It can not be.'; end $$`);
}, 90_000);
afterAll(async () => {
  await engine.stop();
  await db.close();
  await api.close();
});

/** Nothing can write these rows of a table, whoever tries, until it is mended. */
async function poison(table: string, rows: string): Promise<{ mend: () => Promise<void> }> {
  await db.sql.unsafe(`create trigger poison before insert or update on ${table}
    for each row when (${rows}) execute function public.poison()`);
  return { mend: async () => void (await db.sql.unsafe(`drop trigger poison on ${table}`)) };
}

const get = <Answer>(path: string) => getJson(`${api.url}/${path}`) as Promise<Answer>;
const post = async <Answer>(path: string, body: unknown) => (await postJson(`${api.url}/${path}`, body)).body as Answer;
const sessionOf = (id: string) => get<Seen>(`session-manager/sessions/${id}`);
const isRunning = async (id: string) => (await sessionOf(id)).state === "RUNNING";
const codesOf = async (id: string) => (await sessionOf(id)).degraded.map(({ code }) => code);

async function alertsOf(code: string): Promise<Alert[]> {
  return (await get<{ items: Alert[] }>(`monitoring/alerts?code=${code}`)).items;
}
/** Awaits that so many alerts of a code are open: monitoring hears of them with their events. */
const untilAlerts = (code: string, count: number) =>
  eventually(`${count} alerts ${code}`, async () => {
    const open = await alertsOf(code);
    return open.length === count && open;
  });

async function createSession(more: Record<string, unknown> = {}): Promise<string> {
  return (await post<{ id: string }>("session-manager/sessions", sessionBody(more))).id;
}

const start = (id: string) => post(`session-manager/sessions/${id}/start`, {});

/** Whoever follows the topic of orders has the event. */
const FOLLOWERS = SERVICES.filter(({ topics }) => topics.in.includes(ORDERS)).map(({ name }) => name);

async function ordersOf(id: string): Promise<number> {
  return (await get<{ items: unknown[] }>(`order-position-tracker/orders?sessionId=${id}&limit=1000`)).items.length;
}

/** Waits until a session has traded on. */
async function tradesOn(id: string): Promise<void> {
  const before = await ordersOf(id);
  await eventually("it trades on", async () => (await ordersOf(id)) > before, 40_000);
}

/** Waits for the one thing that a service has dead. */
async function deadAt(service: string): Promise<DeadItem> {
  const items = () => get<{ items: DeadItem[] }>(`${service}/dead`).then((page) => page.items);
  const [item, ...others] = await eventually(
    `dead at ${service}`,
    async () => (await items()).length > 0 && items(),
    20_000,
  );
  expect(others).toEqual([]);
  return item ?? expect.unreachable();
}

/** Waits until nothing of a session is dead, nor said to be. */
async function untilSound(id: string, code: string): Promise<void> {
  await eventually("nothing is said to be dead", async () => (await codesOf(id)).length === 0);
  await eventually("its alert is over", async () => (await alertsOf(code)).every(({ data }) => data.sessionId !== id));
}

describe("in a running engine", () => {
  test("an event that no handler can handle holds its session alone, across a restart too, and comes once it is redriven", async () => {
    const bad = await createSession();
    const { mend } = await poison("strategy_executor.runs", `new.session_id = '${bad}'`);
    await start(bad);
    const dead = await deadAt("strategy-executor");
    expect(dead).toMatchObject({ kind: "event", channel: "sessions", lane: bad, tries: 3, error: "It can not be." });
    const scope = `events:strategy-executor/sessions/${bad}`;
    expect(await untilAlerts("EVENT_DEAD", 1)).toMatchObject([
      { scope, severity: "critical", data: { sessionId: bad } },
    ]);
    await eventually("the session says so", async () => (await codesOf(bad)).includes("WORK_DEAD"));
    // That was a change of the session: it waits in its lane.
    const waits = () => get<DeadDetail>(`strategy-executor/dead/${dead.id}`);
    await eventually("its key is held", async () => (await waits()).waiting > 0);

    await tradesOn(api.sessionId);
    const other = await createSession();
    await start(other);
    await eventually("another session of its partition starts", () => isRunning(other), 20_000);

    await engine.stop();
    engine = await startProcess(["all"], api.settings);
    await untilReady(engine, 30_000);
    await tradesOn(api.sessionId);
    expect(await sessionOf(bad)).toMatchObject({ state: "STARTING", degraded: [{ code: "WORK_DEAD" }] });
    expect(await waits()).toMatchObject({ state: "dead", tries: 3 });

    await mend();
    const redriven = await post<DeadDetail>(`strategy-executor/dead/${dead.id}/redrive`, { reason: "mended" });
    expect(redriven.actions).toMatchObject([{ action: "redrive", by: "local", reason: "mended" }]);
    await eventually("it runs", () => isRunning(bad), 20_000);
    await untilSound(bad, "EVENT_DEAD");
    await tradesOn(bad);
    expect((await get<{ items: unknown[] }>("strategy-executor/dead")).items).toEqual([]);
  }, 200_000);

  test("an event that can not be decoded is kept as it came, holds its session in each group, and is let go once it is discarded", async () => {
    const own = await createSession();
    await start(own);
    await eventually("it runs", () => isRunning(own), 20_000);
    const envelope = { id: "x", source: "s", type: "unheard-of", key: own, timeMs: 1, version: 9, data: { n: 1 } };
    const entries = [{ key: own, type: "unheard-of", version: 9, envelope }];
    await db.sql`select bus.append(${JSON.stringify([{ topic: "orders", part: 0, entries }])}::text)`;
    for (const service of FOLLOWERS) {
      const { id, tries } = await deadAt(service);
      const { content } = await get<DeadDetail>(`${service}/dead/${id}`);
      expect([tries, JSON.parse(content)]).toEqual([1, envelope]);
    }
    await eventually("the session says so", async () =>
      (await sessionOf(own)).degraded.some(
        ({ code, text }) => code === "WORK_DEAD" && text.includes(`and ${FOLLOWERS.length - 1} more`),
      ),
    );
    await tradesOn(api.sessionId);
    for (const service of FOLLOWERS) {
      await post(`${service}/dead/${(await deadAt(service)).id}/discard`, { reason: "of no version of ours" });
    }
    await untilSound(own, "EVENT_DEAD");
    await tradesOn(own);
  }, 120_000);

  test("a task that can not be done holds its session's lane alone, and is done once it is redriven", async () => {
    const bad = await createSession({ strategy: "flip", params: {} });
    const { mend } = await poison("risk_manager.decisions", `new.session_id = '${bad}'`);
    await start(bad);
    const dead = await deadAt("risk-manager");
    expect(dead).toMatchObject({
      kind: "task",
      channel: "risk-manager",
      lane: bad,
      tries: 3,
      error: "It can not be.",
    });
    expect(await untilAlerts("TASK_DEAD", 1)).toMatchObject([
      { severity: "critical", data: { sessionId: bad, holds: true } },
    ]);
    await eventually("the session says so", async () => (await codesOf(bad)).includes("WORK_DEAD"));
    await tradesOn(api.sessionId);
    expect(await ordersOf(bad)).toBe(0);
    await mend();
    await post(`risk-manager/dead/${dead.id}/redrive`, { reason: "mended" });
    await tradesOn(bad);
    await untilSound(bad, "TASK_DEAD");
  }, 120_000);

  test("a backtest that can not be done lets the next ones go by, and is done once it is redriven", async () => {
    const { instrumentIds: _ids, accountId: _account, name: _name, ...session } = sessionBody();
    const wanted = { ...session, instrumentId: INSTRUMENT, fromN: 1, toN: 50 };
    const { mend } = await poison("backtest.runs", "new.state <> 'QUEUED' and new.request ->> 'capital' = '777'");
    const begin = (capital: string) => post<{ id: string }>("backtest/runs", { ...wanted, capital });
    const untilDone = (id: string) =>
      eventually(
        "it is done",
        async () => (await get<{ state: string }>(`backtest/runs/${id}`)).state === "DONE",
        30_000,
      );
    const bad = await begin("777");
    const dead = await deadAt("backtest");
    expect(dead).toMatchObject({ kind: "task", channel: "backtest", lane: bad.id, tries: 3 });
    expect(await untilAlerts("TASK_DEAD", 1)).toMatchObject([{ severity: "critical", data: { holds: false } }]);
    await untilDone((await begin("778")).id);
    await mend();
    await post(`backtest/dead/${dead.id}/redrive`, { reason: "mended" });
    await untilDone(bad.id);
    await untilAlerts("TASK_DEAD", 0);
  }, 120_000);
});

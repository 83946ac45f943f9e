import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { PROCESS_ALERTS } from "#shared/alerts/alert-kinds.ts";
import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { failureOf } from "#shared/errors/failure-of.fixture.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { RUN_BACKTEST } from "#shared/messages/tasks.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";
import type { Service } from "#shared/service/service.ts";
import { alerts } from "./alerts.ts";
import { ask, beatOf, codes, HAND, items, say, World } from "./monitoring.fixture.ts";
import { look, ROLE } from "./rules/look.ts";
import type { Rule } from "./rules/rule.ts";
import { insertRule, writeShipped } from "./rules/rule-store.ts";
import { SHIPPED_RULES } from "./rules/shipped-rules.ts";

const KINDS = { ...PROCESS_ALERTS, ...alerts };
const FORGED = { scope: "topic:orders", kind: PROCESS_ALERTS.BROKER_FORGED, text: "Found.", data: {} };
const SECONDS = 1_000;

let world: World;
beforeEach(async () => {
  world = await World.create({ wakeups: createBullmqWakeups, lock: createRedlockLock });
});
afterEach(() => world.close());

/** Makes the caller the leader, under a new epoch. */
async function lead(): Promise<number> {
  const [row] = await world.database.db.sql<{ epoch: number }[]>`
    insert into leadership.epochs as e (role, epoch) values (${ROLE}, 1)
    on conflict (role) do update set epoch = e.epoch + 1 returning epoch`;
  return row?.epoch ?? 0;
}

/** A rule that is met as long as a backtest waits. */
async function putWaitingRule(forMs: number): Promise<void> {
  const rule: Rule = {
    id: "IT_WAITS",
    fact: "queue.open",
    comparison: "above",
    limit: 0,
    forMs,
    endsAfterMs: 0,
    severity: "warning",
    text: "It waits.",
    toDo: "Wait.",
    only: [],
    except: [],
    enabled: true,
  };
  await insertRule(world.database.db.sql, rule, 1);
}
const IT_WAITS = { scope: "rule:IT_WAITS/queue:backtest", code: "RULE_MET" };

/** Has a backtest wait that nobody works. */
async function putTask(): Promise<void> {
  const { deps } = await world.open();
  const runId = crypto.randomUUID();
  await deps.db.transaction(async (tx) => {
    await deps.queue.enqueue(tx, { task: RUN_BACKTEST, lane: runId, payload: { runId } });
  });
}
const endTasks = () => world.database.db.sql`update queue.tasks set state = 'done'`;

describe("a look", () => {
  test("raises a rule's alert once and ends it once, whoever leads; the next leader goes on from where the one before was", async () => {
    const [first, second] = [await world.context(), await world.context()];
    await putWaitingRule(10 * SECONDS);
    await putTask();
    const before = await lead();
    await look(first, { epoch: before });
    HAND.aheadMs = 6 * SECONDS;
    const after = await lead();
    await look(second, { epoch: after });
    expect(await world.told()).toEqual([]);
    HAND.aheadMs = 11 * SECONDS;
    await look(second, { epoch: after });
    await look(second, { epoch: after });
    const last = await lead();
    await look(first, { epoch: last });
    expect(await world.told()).toEqual([{ type: "alert.raised", ...IT_WAITS }]);
    await endTasks();
    await look(first, { epoch: last });
    await look(first, { epoch: last });
    expect(await world.told()).toEqual([
      { type: "alert.raised", ...IT_WAITS },
      { type: "alert.cleared", ...IT_WAITS },
    ]);
  });

  test("of one who was deposed and does not know it writes nothing", async () => {
    const [old, present] = [await world.context(), await world.context()];
    await putWaitingRule(0);
    const deposed = await lead();
    const leading = await lead();
    await look(present, { epoch: leading });
    await putTask();
    const refused = await failureOf(look(old, { epoch: deposed }));
    expect(refused).toStartWith("FENCED");
    const { sql } = world.database.db;
    expect(await world.told()).toEqual([]);
    expect([...(await sql`select epoch from monitoring.looks`)]).toEqual([{ epoch: leading }]);
    expect(await sql`select 1 from monitoring.conditions`).toHaveLength(0);
  });

  test("ends the alerts of a rule that was deleted or disabled", async () => {
    const service = await world.start(KINDS);
    await putTask();
    const RULE = {
      fact: "queue.open",
      comparison: "above",
      limit: 0,
      severity: "info",
      text: "It waits.",
      toDo: "Wait.",
    };
    for (const id of ["FIRST", "SECOND"]) expect((await ask(service, "/rules", { id, ...RULE })).status).toBe(201);
    await until(async () => (await codes(service)).length === 2);
    await ask(service, "/rules/FIRST", { enabled: false }, "PATCH");
    await ask(service, "/rules/SECOND", undefined, "DELETE");
    await until(async () => (await codes(service)).length === 0);
    expect(await codes(service, "?state=over")).toEqual(["RULE_MET", "RULE_MET"]);
  });

  test("tells of what it cannot see, and leaves its alerts as they are meanwhile", async () => {
    const context = await world.context();
    await world.database.db.transaction((tx) => writeShipped(tx, SHIPPED_RULES, 1));
    const epoch = await lead();
    const lookAt = async (
      aheadMs: number,
      memory: (() => Promise<{ usedBytes: number; mostBytes: number }>) | null,
    ) => {
      HAND.aheadMs = aheadMs;
      HAND.redisMemory = memory;
      context.hearing.take([beatOf({ service: "monitoring", instance: "own" })], Date.now() + aheadMs);
      await look(context, { epoch });
      return (await world.database.db.sql<{ code: string }[]>`select code from alerts.open order by 1`).map(
        ({ code }) => code,
      );
    };
    const full = async () => ({ usedBytes: 81, mostBytes: 100 });
    const away = () => Promise.reject(new Error("it is away"));
    expect(await lookAt(0, full)).toEqual([]);
    expect(await lookAt(10 * SECONDS, full)).toEqual(["REDIS_FULL"]);
    expect(await lookAt(11 * SECONDS, away)).toEqual(["REDIS_FULL"]);
    expect(await lookAt(42 * SECONDS, away)).toEqual(["MONITORING_BLIND", "REDIS_FULL"]);
    const [blind] = await world.database.db.sql<{ scope: string; text: string }[]>`
      select scope, text from alerts.open where code = 'MONITORING_BLIND'`;
    expect(blind).toEqual({ scope: "source:redis", text: expect.stringContaining("it is away") });
    expect(await lookAt(43 * SECONDS, null)).toEqual(["MONITORING_BLIND", "REDIS_FULL"]);
    expect(await lookAt(54 * SECONDS, null)).toEqual([]);
  });
});

describe("instances", () => {
  test("that fall silent are missed, and no more once they are replaced; one that leaves is not missed", async () => {
    const service = await world.start(KINDS);
    const ports = await world.open();
    const own = beatOf({ service: "monitoring", instance: "own" });
    const beats = (aheadMs: number, ...more: Parameters<typeof beatOf>[0][]) => {
      HAND.aheadMs = aheadMs;
      return say(ports, [{ ...own, atMs: Date.now() + aheadMs }, ...more.map(beatOf)]);
    };
    const died = { service: "risk-manager", instance: "died" };
    const left = { service: "backtest", instance: "left" };
    const standing = async () =>
      (await items(service, "/services")).flatMap(({ service: name, instances }) =>
        (instances as { instance: string; standing: string }[]).map(
          (one) => `${name as string} ${one.instance} ${one.standing}`,
        ),
      );
    await beats(0, died, { ...left, leaving: true, ready: false });
    await until(async () => (await standing()).length === 3);
    for (const ahead of [5, 10, 15, 20]) {
      await beats(ahead * SECONDS);
      await until(async () =>
        (await items(service, "/services")).some(({ instances }) =>
          (instances as { instance: string; heardAtMs: number }[]).some(
            (one) => one.instance === "own" && one.heardAtMs > Date.now() + (ahead - 3) * SECONDS,
          ),
        ),
      );
    }
    expect(await standing()).toEqual(["backtest left left", "monitoring own alive", "risk-manager died silent"]);
    await until(async () => (await codes(service)).includes("INSTANCE_SILENT"));
    const scopes = (await items(service, "/alerts?code=INSTANCE_SILENT")).map(({ scope }) => scope);
    expect(scopes).toEqual(["instance:risk-manager/died"]);
    await beats(21 * SECONDS, { service: "risk-manager", instance: "new", startedAtMs: Date.now() + 20 * SECONDS });
    await until(async () => !(await codes(service)).includes("INSTANCE_SILENT"));
    expect(await standing()).toContain("risk-manager died replaced");
    HAND.aheadMs = 40 * SECONDS;
    await beats(40 * SECONDS, { service: "risk-manager", instance: "new", waitsFor: ["Redis"], ready: false });
    await until(async () => (await codes(service, "?state=open&scope=service:backtest")).includes("SERVICE_DOWN"));
  });
});

describe("what is seen", () => {
  test("of the bus, the queues, the roles: with the names of those who have them", async () => {
    const service = await world.start(KINDS);
    const { deps } = await world.open();
    await putTask();
    const { sql } = deps.db;
    await sql`insert into bus.positions (group_name, topic, part) values ('slow', 'alerts', 0)`;
    await deps.db.transaction((tx) => raiseAlert(tx, deps, FORGED));
    const [first] = await sql<{ part: number }[]>`select part from bus.log where topic = 'alerts'`;
    await sql`update bus.positions set part = ${first?.part ?? 0} where group_name = 'slow'`;
    const seen = await items(service, "/services");
    expect(seen.find((one) => one["service"] === "slow")).toMatchObject({
      ready: 0,
      lag: [{ topic: "alerts", partition: first?.part, events: 1, waitedMs: expect.any(Number) }],
    });
    expect(seen.find((one) => one["service"] === "backtest")).toMatchObject({ tasks: { open: 1 } });
    const rest = (await ask(service, "/at-rest")).body;
    expect(rest).toMatchObject({ atRest: false, openTasks: 1 });
    await endTasks();
    await sql`delete from bus.positions where group_name = 'slow'`;
    await until(async () => (await ask(service, "/at-rest")).body["atRest"] === true);
    const [role = {}] = (await items(service, "/leaders")).filter((one) => one["role"] === ROLE);
    expect(role).toMatchObject({ led: true, epoch: 1, process: null, changes: 0 });
    const ports = await world.open();
    await say(ports, [beatOf({ service: "monitoring", instance: role["instance"] as string })]);
    await until(async () =>
      (await items(service, "/leaders")).some((one) => one["process"] === "monitoring, process 42 on desk"),
    );
    const own = (await items(service, "/services")).find((one) => one["service"] === "monitoring");
    expect(own).toMatchObject({ instances: [{ roles: expect.arrayContaining([ROLE]) }] });
    const UNIT = "unit:monitoring:0";
    // Changes are counted from the first leader that a look has noted.
    await until(async () =>
      (await items(service, "/leaders")).some((one) => one["role"] === UNIT && one["sinceMs"] !== null),
    );
    await sql`update leadership.epochs set epoch = epoch + 6 where role = ${UNIT}`;
    await until(async () => (await items(service, "/alerts?code=LEADER_FLAPS")).length === 1);
  });

  test("pages go on where the one before ended", async () => {
    const service = await world.start(KINDS);
    await until(async () => (await items(service, "/rules")).length === SHIPPED_RULES.length);
    for (const path of ["/rules", "/leaders"]) {
      const all = await items(service, path);
      const first = (await ask(service, `${path}?limit=3`)).body;
      const rest = await items(service, `${path}?cursor=${first["nextCursor"] as string}`);
      expect([...(first["items"] as unknown[]), ...rest]).toHaveLength(all.length);
    }
  });

  test("is a page that reloads itself, and shows what others wrote as text", async () => {
    const service = await world.start({ ...KINDS });
    const { deps } = await world.open();
    await deps.db.transaction((tx) => raiseAlert(tx, deps, { ...FORGED, text: "<script>alert(1)</script>" }));
    await until(async () => (await codes(service)).length > 0);
    const answer = (await service.routes?.handle(new Request("http://localhost/api/monitoring/"))) as Response;
    const html = await answer.text();
    expect(answer.status).toBe(200);
    expect(html).toContain(`<meta http-equiv="refresh" content="5">`);
    expect(answer.headers.get("content-security-policy")).toStartWith("default-src 'none'; ");
    expect(html).toContain("&#60;script&#62;alert(1)");
    expect(html).not.toMatch(/<script|<link|https?:\/\/| src=/);
    for (const text of [
      "BROKER_FORGED",
      "monitoring:look",
      "partitions of monitoring",
      "width=device-width",
      "No session is at work",
    ])
      expect(html).toContain(text);
  });
});

describe("the page", () => {
  const page = async (service: Service) => (await ask(service, "/")).body["text"] as string;

  test("counts an alert that is silenced, as it shows it", async () => {
    const service = await world.start(KINDS);
    const { deps } = await world.open();
    await deps.db.transaction((tx) => raiseAlert(tx, deps, FORGED));
    const [alert = {}] = await until(async () => {
      const found = await items(service, "/alerts");
      return found.length > 0 && found;
    });
    await ask(service, `/alerts/${alert["id"] as string}/silence`, { reason: "It is known." });
    const html = await page(service);
    expect(html).toContain("1 alert is open: 1 critical.");
    expect(html).toMatch(/silent for \d+ s: It is known\./);
  });

  test("shows what is a process' own once, with the services in it", async () => {
    const service = await world.start(KINDS);
    const ports = await world.open();
    const { sql } = world.database.db;
    await sql`insert into leadership.epochs (role, epoch) values ('a', 1), ('b', 1)`;
    await sql`
      insert into leadership.leases (role, holder, lease_until)
      select role, 'one', clock_timestamp() + interval '1 hour' from unnest(array['a', 'b']) as role`;
    const one = { instance: "one", pid: 7, memoryBytes: 123e6, loopDelayMs: 45 };
    await say(ports, [
      beatOf({ service: "backtest", ...one }),
      beatOf({ service: "risk-manager", ...one }),
      beatOf({ service: "dashboard", instance: "two", pid: 8, memoryBytes: 456e6 }),
    ]);
    await until(async () => (await items(service, "/services")).filter(({ ready }) => ready === 1).length === 3);
    const html = await page(service);
    const [, processes = ""] = /<h2>Processes<\/h2>(.*?)<h2>/.exec(html) ?? [];
    const rows = [...processes.matchAll(/<tr>(<td.*?)<\/tr>/g)].map(([, cells = ""]) =>
      [...cells.matchAll(/>([^<]*)<\/td>/g)].map(([, text]) => text),
    );
    expect(rows).toEqual([
      ["desk/7", "backtest, risk-manager", "2", "123 MB", "45 ms"],
      ["desk/8", "dashboard", "0", "456 MB", "3 ms"],
    ]);
    expect(html.split("123 MB")).toHaveLength(2);
  });
});

describe("rules", () => {
  test("are made, changed and deleted over REST; one that is shipped stays changed until it is reset, and is not deleted", async () => {
    const service = await world.start(KINDS);
    await until(async () => (await items(service, "/rules")).length > 0);
    const changed = await ask(service, "/rules/BUS_LAG", { limit: 5 }, "PATCH");
    expect(changed.body).toMatchObject({ id: "BUS_LAG", limit: 5, forMs: 30_000, shipped: true, changed: true });
    await world.database.db.transaction((tx) => writeShipped(tx, SHIPPED_RULES, 2));
    expect((await ask(service, "/rules/BUS_LAG")).body).toMatchObject({ limit: 5 });
    const reset = await ask(service, "/rules/BUS_LAG/reset", {});
    expect(reset.body).toMatchObject({ id: "BUS_LAG", limit: 10_000, shipped: true, changed: false });
    const kept = await ask(service, "/rules/BUS_LAG", undefined, "DELETE");
    expect([kept.status, kept.body["detail"]]).toEqual([409, expect.stringContaining("Disable it instead")]);
    const rule = { fact: "bus.lag", comparison: "above", limit: 1, severity: "info", text: "A.", toDo: "B." };
    expect((await ask(service, "/rules", { id: "BUS_LAG", ...rule })).status).toBe(409);
    expect((await ask(service, "/rules", { id: "MINE", ...rule })).status).toBe(201);
    const own = await ask(service, "/rules/MINE/reset", {});
    expect([own.status, own.body["detail"]]).toEqual([409, expect.stringContaining("did not come with the engine")]);
    expect((await ask(service, "/rules/NONE/reset", {})).status).toBe(404);
    const wrong = await ask(service, "/rules", { id: "lower", ...rule, fact: "no.fact" });
    expect([wrong.status, JSON.stringify(wrong.body["errors"])]).toEqual([422, expect.stringContaining("bus.lag")]);
    expect((await ask(service, "/rules/NONE", { limit: 1 }, "PATCH")).status).toBe(404);
    expect((await ask(service, "/rules/NONE", undefined, "DELETE")).status).toBe(404);
  });
});

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { alerts } from "#services/monitoring/alerts.ts";
import { ask, codes, HAND, items, World } from "#services/monitoring/monitoring.fixture.ts";
import { PROCESS_ALERTS } from "#shared/alerts/alert-kinds.ts";
import { clearAlert, raiseAlert } from "#shared/alerts/raise-alert.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { createRedlockLock } from "#shared/leader/redlock.ts";
import { createBullmqWakeups } from "#shared/queue/bullmq.ts";

const KINDS = { ...PROCESS_ALERTS, ...alerts };
const FORGED = { scope: "topic:orders", kind: PROCESS_ALERTS.BROKER_FORGED, text: "Found.", data: {} };
const SECONDS = 1_000;
const byText = (a: string, b: string) => (a < b ? -1 : 1);

let world: World;
beforeEach(async () => {
  world = await World.create({ wakeups: createBullmqWakeups, lock: createRedlockLock });
});
afterEach(() => world.close());

describe("alerts of other services", () => {
  test("are collected once by two instances, seen, silenced, cleared by a person, and kept when they are over", async () => {
    const [first, second] = [await world.start(KINDS), await world.start(KINDS)];
    const { deps } = await world.open();
    await deps.db.transaction((tx) => raiseAlert(tx, deps, FORGED));
    await until(async () => (await codes(second)).length === 1);
    const [alert = {}] = await items(first, "/alerts?acknowledged=false&silenced=false&scope=topic:");
    expect(alert).toMatchObject({ code: "BROKER_FORGED", severity: "critical", ends: "fact", clearedAtMs: null });
    const path = `/alerts/${alert["id"] as string}`;
    const seen = await ask(first, `${path}/acknowledge`, { reason: "I look after it." });
    expect(seen.body["acknowledged"]).toMatchObject({ by: "local", reason: "I look after it." });
    const again = await ask(second, `${path}/acknowledge`, { reason: "Me too." });
    expect(again.body["acknowledged"]).toEqual(seen.body["acknowledged"]);
    await ask(second, `${path}/silence`, { reason: "Tomorrow.", forMs: 60 * SECONDS });
    expect(await codes(first, "?silenced=false")).toEqual([]);
    expect(await codes(first, "?silenced=true&acknowledged=true")).toEqual(["BROKER_FORGED"]);
    const [told] = await world.database.db.sql`select scope, code from reference.alert_silences`;
    expect(told).toEqual({ scope: FORGED.scope, code: "BROKER_FORGED" });
    HAND.aheadMs = 61 * SECONDS;
    expect(await codes(first, "?silenced=true")).toEqual([]);
    HAND.aheadMs = 0;
    expect((await ask(first, `${path}/silence`, undefined, "DELETE")).body["silenced"]).toBeNull();
    expect((await ask(first, `${path}/clear`, { reason: "A new password." })).status).toBe(204);
    await until(async () => (await codes(first)).length === 0);
    expect((await ask(first, path)).body).toMatchObject({
      clearedAtMs: expect.any(Number),
      acknowledged: { by: "local" },
    });
    expect(await codes(second, "?state=over")).toEqual(["BROKER_FORGED"]);
    for (const what of ["acknowledge", "clear"])
      expect((await ask(first, `${path}/${what}`, { reason: "Late." })).status).toBe(409);
    expect((await ask(first, `/alerts/${crypto.randomUUID()}/acknowledge`, { reason: "?" })).status).toBe(404);
    await deps.db.transaction((tx) => raiseAlert(tx, deps, FORGED));
    await until(async () => (await codes(first, "?state=all")).length === 2);
    expect((await items(first, "/alerts"))[0]).toMatchObject({ acknowledged: null, clearedAtMs: null });
  });

  test("show the text that was renewed without an event", async () => {
    const service = await world.start(KINDS);
    const { deps } = await world.open();
    for (const text of ["One.", "Two."]) await deps.db.transaction((tx) => raiseAlert(tx, deps, { ...FORGED, text }));
    expect(await until(async () => (await items(service, "/alerts"))[0])).toMatchObject({ text: "Two." });
  });

  test("are listed newest first, page by page, and by code, severity and the beginning of their scope", async () => {
    const service = await world.start(KINDS);
    const { deps } = await world.open();
    const dead = { kind: PROCESS_ALERTS.TASK_DEAD, text: "Dead.", data: {} };
    for (const [at, id] of ["a", "b", "c"].entries()) {
      HAND.aheadMs = at * SECONDS;
      await deps.db.transaction(async (tx) => {
        await raiseAlert(tx, deps, { ...dead, scope: `tasks:${id}` });
        await raiseAlert(tx, deps, { ...FORGED, kind: { ...FORGED.kind, severity: "info" }, scope: `topic:${id}` });
      });
    }
    await until(async () => (await codes(service)).length === 6);
    const seen: string[] = [];
    let cursor = "";
    do {
      const page = await ask(service, `/alerts?limit=4${cursor && `&cursor=${cursor}`}`);
      seen.push(...(page.body["items"] as { scope: string }[]).map(({ scope }) => scope));
      cursor = (page.body["nextCursor"] ?? "") as string;
    } while (cursor !== "");
    expect(seen.map((scope) => scope.at(-1)).join("")).toBe("ccbbaa");
    expect(seen.toSorted(byText)).toEqual(["tasks:a", "tasks:b", "tasks:c", "topic:a", "topic:b", "topic:c"]);
    const scopes = async (query: string) => (await items(service, query)).map(({ scope }) => scope);
    expect(await scopes("/alerts?scope=tasks:")).toEqual(["tasks:c", "tasks:b", "tasks:a"]);
    expect(await scopes("/alerts?scope=tasks:a&code=TASK_DEAD")).toEqual(["tasks:a"]);
    expect(await scopes("/alerts?severity=info")).toEqual(["topic:c", "topic:b", "topic:a"]);
    expect((await ask(service, "/alerts?code=NO_SUCH")).status).toBe(422);
  });

  test("are counted on the page however many there are, the newest of them shown", async () => {
    const service = await world.start(KINDS);
    const { deps } = await world.open();
    await deps.db.transaction(async (tx) => {
      for (let at = 0; at < 230; at += 1) {
        const kind = at === 0 ? PROCESS_ALERTS.TASK_DEAD : { ...FORGED.kind, severity: "info" as const };
        await raiseAlert(
          tx,
          { bus: deps.bus, clock: { nowMs: () => at + 1 } },
          { ...FORGED, scope: `topic:${at}`, kind },
        );
      }
    });
    await until(async () => (await items(service, "/alerts?limit=1000")).length === 230);
    const page = (await ask(service, "/")).body["text"];
    expect(page).toContain("230 alerts are open: 1 critical, 229 info");
    expect(page).toContain('<a href="/api/monitoring/alerts">30 more</a>');
  });

  test("that were raised before there was a history are taken over, and ended by their event", async () => {
    const { sql } = world.database.db;
    await sql`insert into alerts.open (scope, code, severity, text, data, raised_at_ms)
      values (${FORGED.scope}, 'BROKER_FORGED', 'critical', 'Old.', '{}', 1)`;
    const service = await world.start(KINDS);
    const [alert] = await until(async () => {
      const found = await items(service, "/alerts");
      return found.length > 0 && found;
    });
    expect(alert).toMatchObject({ code: "BROKER_FORGED", text: "Old.", raisedAtMs: 1 });
    expect((await ask(service, `/alerts/${alert?.["id"] as string}/clear`, { reason: "Done." })).status).toBe(204);
    await until(async () => (await codes(service, "?state=over")).length === 1);
    expect(await codes(service)).toEqual([]);
  });

  test("that ended while nobody kept the history are over there too", async () => {
    const { sql } = world.database.db;
    await sql`insert into monitoring.alerts (id, scope, code, severity, text, data, raised_at_ms)
      values (gen_random_uuid(), ${FORGED.scope}, 'BROKER_FORGED', 'critical', 'Old.', '{}', 1)`;
    const service = await world.start(KINDS);
    await until(async () => (await codes(service, "?state=over")).length === 1);
    expect(await codes(service)).toEqual([]);
  });

  test("that end by themselves are not cleared by a person", async () => {
    const service = await world.start(KINDS);
    const { deps } = await world.open();
    const dead = { scope: "tasks:a/b", kind: PROCESS_ALERTS.TASK_DEAD, text: "Dead.", data: {} };
    await deps.db.transaction((tx) => raiseAlert(tx, deps, dead));
    const [alert = {}] = await until(async () => {
      const found = await items(service, "/alerts");
      return found.length > 0 && found;
    });
    const refused = await ask(service, `/alerts/${alert["id"] as string}/clear`, { reason: "Away with it." });
    expect([refused.status, refused.body["detail"]]).toEqual([409, expect.stringContaining("ends by itself")]);
    await deps.db.transaction((tx) => clearAlert(tx, deps, dead));
    await until(async () => (await codes(service)).length === 0);
  });
});

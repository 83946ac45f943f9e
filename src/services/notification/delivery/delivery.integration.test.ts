import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { World } from "#services/notification/notification.fixture.ts";
import { lockRecipient } from "#services/notification/recipients/recipient-store.ts";
import { until } from "#shared/clock/until.fixture.ts";

let world: World;
beforeEach(async () => {
  world = await World.create({ R3_NOTIFICATION_DOWN_AFTER_MS: "100" });
});
afterEach(() => world.close());

const at = (name: string) => world.desk.at(`/${name}`);
const raiseAll = async (from: number, to: number) => {
  for (let n = from; n < to; n += 1) await world.raise("TEST_WARNING", `topic:${n}`);
};

describe("a channel that is down", () => {
  test("delays its own lane alone, the others are told, and it says then how many were delayed", async () => {
    let status = 503;
    world.desk.answer = ({ path }) => new Response("busy", { status: path === "/down" ? status : 200 });
    const down = await world.recipient("down");
    const up = await world.recipient("up");
    await raiseAll(0, 5);
    await until(async () => (await world.read(down.id)).waiting === 5);
    await until(() => at("up").some(({ title }) => title.includes("NOTIFICATION_CHANNEL_DOWN")));
    expect(await world.alertsOf(down.id)).toEqual(["NOTIFICATION_CHANNEL_DOWN"]);
    expect(await world.read(down.id)).toMatchObject({
      waiting: 5,
      sent: 0,
      failingSinceMs: expect.any(Number),
      lastError: "It answered with 503: busy",
    });
    await until(async () => (await world.read(up.id)).waiting === 0);
    expect(await world.read(up.id)).toMatchObject({ sent: 6, failingSinceMs: null });
    await until(() => at("down").length > 2);
    expect(new Set(at("down").map(({ id }) => id)).size).toBe(1);
    status = 200;
    await until(() => at("down").some(({ kind }) => kind === "delayed"));
    const arrived = at("down").slice(-6);
    expect(arrived.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(arrived[5]).toMatchObject({ title: "5 messages were delayed", data: { count: 5 } });
    await until(() => at("up").some(({ title }) => title.startsWith("Over: NOTIFICATION_CHANNEL_DOWN")));
    expect(await world.alertsOf(down.id)).toEqual([]);
    expect(at("down").some(({ title }) => title.includes("NOTIFICATION_CHANNEL_DOWN"))).toBe(false);
  });

  test("is left alone for as long as it asks, but for a test message that a person sends", async () => {
    world.desk.answer = () => new Response("", { status: 429, headers: { "retry-after": "600" } });
    const { id } = await world.recipient("desk");
    await raiseAll(0, 1);
    await until(async () => (await world.read(id)).lastError !== null);
    world.desk.answer = () => new Response("ok");
    await raiseAll(1, 3);
    await until(async () => (await world.read(id)).waiting === 3);
    await Bun.sleep(200);
    expect(at("desk")).toHaveLength(1);
    const { status, body } = await world.ask<{ id: string; seq: number }>("POST", `/recipients/${id}/test`);
    expect(status).toBe(202);
    await until(() => at("desk").length === 5);
    expect(at("desk").map(({ seq }) => seq)).toEqual([1, 1, 2, 3, 4]);
    expect(at("desk").at(-1)).toMatchObject({ id: body.id, kind: "test" });
  });

  test("and is left alone no longer than it asks", async () => {
    world.desk.answer = () => new Response("", { status: 429, headers: { "retry-after": "600" } });
    const { id } = await world.recipient("desk");
    await raiseAll(0, 1);
    await until(async () => (await world.read(id)).lastError !== null);
    world.desk.answer = () => new Response("ok");
    world.aheadMs = 600_000;
    await until(async () => (await world.read(id)).sent === 1);
    expect(await world.messages(id)).toMatchObject([{ seq: 1, state: "sent", attempts: 2, error: null }]);
  });

  test("of which a full lane's worth waits: what comes beyond is counted, and told in one message", async () => {
    await world.close();
    world = await World.create({ R3_NOTIFICATION_LANE_LIMIT: "3" });
    world.desk.answer = () => new Response("", { status: 503 });
    const { id } = await world.recipient("desk");
    await raiseAll(0, 8);
    await until(async () => (await world.read(id)).held === 5);
    expect(await world.read(id)).toMatchObject({ waiting: 3 });
    expect((await world.ask("POST", `/recipients/${id}/test`)).status).toBe(409);
    world.desk.answer = () => new Response("ok");
    await until(async () => (await world.read(id)).sent === 3);
    world.aheadMs = 60_000;
    await until(async () => (await world.read(id)).sent === 4);
    expect(at("desk").at(-1)).toMatchObject({ seq: 4, kind: "digest", data: { count: 5 } });
  });
});

describe("a message that is refused for good", () => {
  test("is dead, others are told, the next one goes on, and the alert ends with what is taken", async () => {
    let status = 410;
    world.desk.answer = ({ path }) => new Response("gone", { status: path === "/gone" ? status : 200 });
    const gone = await world.recipient("gone");
    await world.recipient("up");
    await raiseAll(0, 2);
    await until(async () => (await world.read(gone.id)).dead === 2);
    expect(await world.messages(gone.id, "?state=dead")).toMatchObject([
      { seq: 2, state: "dead", attempts: 1, error: "It answered with 410: gone" },
      { seq: 1, state: "dead", attempts: 1 },
    ]);
    expect(await world.alertsOf(gone.id)).toEqual(["NOTIFICATION_REFUSED"]);
    const told = await until(() => at("up").find(({ title }) => title.includes("NOTIFICATION_REFUSED")));
    expect(told.severity).toBe("critical");
    expect(told.text).toContain('The channel of "gone" has refused a message for good. It answered with 410: gone');
    status = 200;
    await raiseAll(2, 3);
    await until(async () => (await world.read(gone.id)).sent === 1);
    expect(at("gone").map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(await world.alertsOf(gone.id)).toEqual([]);
  });
});

describe("another channel", () => {
  test("has at once what the one before did not take, and ends what was said of it", async () => {
    let headers: Record<string, string> = {};
    world.desk.answer = ({ path }) => new Response("", { status: path === "/old" ? 503 : 200, headers });
    const { id } = await world.recipient("old");
    await raiseAll(0, 2);
    await until(async () => (await world.alertsOf(id)).includes("NOTIFICATION_CHANNEL_DOWN"));
    headers = { "retry-after": "600" };
    const tries = at("old").length;
    await until(() => at("old").length > tries);
    const changed = await world.change(id, { channel: world.hook("new") });
    expect(changed).toMatchObject({ channel: { to: world.hook("new").url }, failingSinceMs: null, lastError: null });
    expect(await world.alertsOf(id)).toEqual([]);
    await until(() => at("new").length === 2);
    expect(at("new").map(({ seq, id: messageId }) => [seq, messageId])).toEqual([
      [1, at("old")[0]?.id],
      [2, expect.any(String)],
    ]);
    await until(async () => (await world.read(id)).sent === 2);
    expect(at("new")).toHaveLength(2);
  });

  test("is not blamed for what the one before answers still", async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Response>();
    world.desk.answer = ({ path }) => {
      if (path !== "/old") return new Response("ok");
      asked.resolve();
      return answer.promise;
    };
    const { id } = await world.recipient("old");
    await raiseAll(0, 1);
    await asked.promise;
    await world.change(id, { channel: world.hook("new") });
    answer.resolve(new Response("", { status: 503, headers: { "retry-after": "600" } }));
    await until(async () => (await world.read(id)).sent === 1);
    expect(at("new")).toHaveLength(1);
    expect(await world.read(id)).toMatchObject({ failingSinceMs: null, lastError: null });
  });
});

test("what was sent is noted while someone holds the recipient, and what comes then is sent", async () => {
  const answer = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  world.desk.answer = async () => {
    asked.resolve();
    await answer.promise;
    return new Response("ok");
  };
  const { id } = await world.recipient("desk");
  await raiseAll(0, 1);
  await asked.promise;
  await world.database.db.transaction(async (tx) => {
    await lockRecipient(tx, id);
    answer.resolve();
    await until(async () => (await world.messages(id))[0]?.state === "sent");
  });
  await raiseAll(1, 2);
  await until(async () => (await world.read(id)).sent === 2);
  const open = () => world.database.db.sql`select 1 from queue.tasks where queue = 'notification' and state <> 'done'`;
  await until(async () => (await open()).length === 0);
  expect(at("desk").map(({ seq }) => seq)).toEqual([1, 2]);
});

test("a recipient that is deleted while a message is on its way leaves nothing behind", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  world.desk.answer = async () => {
    asked.resolve();
    await answer.promise;
    return new Response("ok");
  };
  const { id } = await world.recipient("desk");
  await raiseAll(0, 3);
  await asked.promise;
  expect((await world.ask("DELETE", `/recipients/${id}`, { ifMatch: "*" })).status).toBe(204);
  answer.resolve();
  const open = () => world.database.db.sql`select 1 from queue.tasks where queue = 'notification' and state <> 'done'`;
  await until(async () => (await open()).length === 0);
  expect(await world.database.db.sql`select 1 from notification.messages`).toHaveLength(0);
  expect((await world.ask("GET", `/recipients/${id}/messages`)).status).toBe(404);
});

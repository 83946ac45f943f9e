import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { KEY } from "#services/notification/desk.fixture.ts";
import { type MailServer, openMailServer, PASSWORD } from "#services/notification/mail-server.fixture.ts";
import { World } from "#services/notification/notification.fixture.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Recipient } from "./recipient.ts";

const TOKEN = "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

let world: World;
let mail: MailServer;
beforeAll(async () => {
  mail = await openMailServer();
  world = await World.create({ R3_NOTIFICATION_SMTP_URL: mail.url });
});
afterAll(async () => {
  await world.close();
  await mail.close();
});

/** Each channel, where it leads as people see it, and what of it nobody sees. */
const channels = (): [Record<string, unknown>, string, string | null][] => {
  const { url } = world.desk;
  return [
    [{ type: "webhook", url: `${url}/hook?token=s3cret-1`, secret: KEY }, `${url}/hook`, "s3cret-1"],
    [{ type: "email", address: "me@mail.example" }, "me@mail.example", null],
    [{ type: "telegram", token: TOKEN, chatId: "@desk" }, "@desk", TOKEN],
    [{ type: "slack", url: `${url}/services/s3cret-2` }, url, "s3cret-2"],
    [{ type: "discord", url: `${url}/api/webhooks/s3cret-3` }, url, "s3cret-3"],
  ];
};

describe("recipients", () => {
  test("of each channel get a test message; nothing secret is in an answer, an event, a task, an alert or a log", async () => {
    const shown: unknown[] = [];
    world.desk.answer = ({ path }) =>
      new Response(`no ${path} ${path.startsWith("/hook") ? KEY : ""}`, { status: 403 });
    for (const [channel, to] of channels()) {
      const recipient = await world.recipient(`of ${String(channel["type"])}`, { channel });
      expect(recipient.channel).toEqual({ type: channel["type"] as Recipient["channel"]["type"], to });
      const { status } = await world.ask("POST", `/recipients/${recipient.id}/test`);
      expect(status).toBe(202);
      await until(async () =>
        (await world.messages(recipient.id)).some(({ kind, state }) => kind === "test" && state !== "waiting"),
      );
      shown.push(recipient, await world.read(recipient.id), await world.messages(recipient.id));
    }
    expect(mail.mails.some((text) => text.includes("A test message for of email"))).toBe(true);
    shown.push((await world.ask("GET", "/recipients")).body);
    const { sql } = world.database.db;
    for (const rows of [
      await sql`select envelope from bus.log`,
      await sql`select payload, outcome, error from queue.tasks`,
      await sql`select text, data from alerts.open`,
      await sql`select content, error from notification.messages`,
    ]) {
      expect(rows.length).toBeGreaterThan(0);
      shown.push(...rows);
    }
    const all = JSON.stringify([shown, world.logged]);
    expect(all).toContain("It answered with 403: no [secret]");
    const secrets = channels().flatMap(([, , secret]) => secret ?? []);
    for (const secret of [...secrets, KEY, PASSWORD, encodeURIComponent(PASSWORD)])
      expect([secret, all.includes(secret)]).toEqual([secret, false]);
    world.desk.answer = () => new Response("ok");
  });

  test("are listed by their names, page by page", async () => {
    for (const name of ["c", "a", "b"]) await world.recipient(`list ${name}`);
    const names: string[] = [];
    let path = "/recipients?limit=2";
    for (;;) {
      const { body } = await world.ask<{ items: Recipient[]; nextCursor: string | null }>("GET", path);
      names.push(...body.items.map(({ name }) => name));
      if (body.nextCursor === null) break;
      path = `/recipients?limit=2&cursor=${body.nextCursor}`;
    }
    expect(names.filter((name) => name.startsWith("list"))).toEqual(["list a", "list b", "list c"]);
  });

  test("are changed in part, by who has seen the newest version", async () => {
    const made = await world.recipient("changed", { minSeverity: "warning", dailySummaryAt: "08:00" });
    const url = `/recipients/${made.id}`;
    const read = await world.ask<Recipient>("GET", url);
    expect(read).toMatchObject({ status: 200, etag: '"1"', body: { minSeverity: "warning", events: made.events } });
    expect((await world.ask("PATCH", url, { body: { minSeverity: "info" } })).status).toBe(428);
    expect((await world.ask("DELETE", url)).status).toBe(428);
    const changed = await world.ask<Recipient>("PATCH", url, { body: { minSeverity: "info" }, ifMatch: read.etag });
    expect(changed).toMatchObject({
      status: 200,
      etag: '"2"',
      body: { minSeverity: "info", dailySummaryAt: "08:00", channel: made.channel },
    });
    expect((await world.ask("PATCH", url, { body: { minSeverity: "critical" }, ifMatch: read.etag })).status).toBe(412);
    expect((await world.ask("DELETE", url, { ifMatch: read.etag })).status).toBe(412);
    expect((await world.ask("DELETE", url, { ifMatch: changed.etag })).status).toBe(204);
    for (const [method, path] of [
      ["GET", url],
      ["GET", `${url}/messages`],
      ["POST", `${url}/test`],
    ] as const)
      expect([path, (await world.ask(method, path)).status]).toEqual([path, 404]);
  });

  test("have names of their own", async () => {
    const one = await world.recipient("one");
    await world.recipient("two");
    const channel = world.hook("x");
    expect((await world.ask("POST", "/recipients", { body: { name: "two", channel } })).status).toBe(409);
    const renamed = await world.ask("PATCH", `/recipients/${one.id}`, { body: { name: "two" }, ifMatch: "*" });
    expect(renamed.status).toBe(409);
    expect(await world.change(one.id, { name: "three" })).toMatchObject({ name: "three" });
  });

  test.each<[string, Record<string, unknown>, string]>([
    ["a channel that there is not", { channel: { type: "pigeon" } }, "channel"],
    ["an address without a protocol", { channel: { type: "slack", url: "desk.example" } }, "https://desk.example/hook"],
    ["a file", { channel: { type: "slack", url: "file:///etc/passwd" } }, "https://desk.example/hook"],
    [
      "a password in an address",
      { channel: { type: "slack", url: "https://a:b@desk.example" } },
      "must not hold a user",
    ],
    ["a key that is short", { channel: { type: "webhook", url: "http://x", secret: "whsec_YQ==" } }, "/dev/urandom"],
    ["no e-mail address", { channel: { type: "email", address: "me" } }, "me@mail.example"],
    ["no token", { channel: { type: "telegram", token: "1", chatId: "1" } }, "BotFather"],
    ["a time zone that there is not", { timeZone: "Europe/Nowhere" }, "Europe/Paris"],
    ["a time of day that there is not", { quietHours: { from: "25:00", to: "07:00" } }, "07:30"],
    ["quiet hours without a length", { quietHours: { from: "07:00", to: "07:00" } }, "another time"],
    ["a name in a text that there is not", { templates: { fill: "{nothing}" } }, "may name {session}"],
    ["an event that there is not", { events: ["weather"] }, "events"],
    ["a field that there is not", { colour: "red" }, "colour"],
  ])("are refused with a sentence, as for %s", async (_what, more, says) => {
    const body = { name: "refused", channel: world.hook("x"), ...more };
    const answer = await world.ask("POST", "/recipients", { body });
    expect([answer.status, JSON.stringify(answer.body)]).toEqual([422, expect.stringContaining(says)]);
  });

  test("a secret that is refused is not given back", async () => {
    const channel = { type: "webhook", url: "http://x", secret: "whsec_my-own-secret" };
    const answer = await world.ask("POST", "/recipients", { body: { name: "refused", channel } });
    expect(answer.status).toBe(422);
    expect(JSON.stringify([answer, world.logged])).not.toContain("my-own-secret");
  });
});

describe("without a mail server", () => {
  test("an e-mail address is refused with what to set", async () => {
    const bare = await World.create();
    try {
      const body = { name: "me", channel: { type: "email", address: "me@mail.example" } };
      const answer = await bare.ask("POST", "/recipients", { body });
      expect([answer.status, JSON.stringify(answer.body)]).toEqual([
        422,
        expect.stringContaining("R3_NOTIFICATION_SMTP_URL names no mail server"),
      ]);
    } finally {
      await bare.close();
    }
  });
});

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { createServer, type Server } from "node:net";
import { type Desk, KEY, openDesk } from "#services/notification/desk.fixture.ts";
import { systemClock } from "#shared/clock/system.ts";
import { outgoing } from "./channel.fixture.ts";
import type { Send, Verdict } from "./channel.ts";
import { createDiscord } from "./discord.ts";
import { retryAfterOf } from "./http-post.ts";
import { createSlack } from "./slack.ts";
import { createTelegram } from "./telegram.ts";
import { createWebhook } from "./webhook.ts";

const TOKEN = "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const sending = { clock: systemClock, timeoutMs: 2_000 };
const never = new AbortController().signal;

let desk: Desk;
beforeEach(() => {
  desk = openDesk();
});
afterEach(() => desk.close());

/** Each channel that speaks HTTP, with a secret in its address. */
const CHANNELS: [string, () => Send][] = [
  ["webhook", () => createWebhook({ url: `${desk.url}/hook?token=s3cret`, key: KEY }, sending)],
  ["telegram", () => createTelegram({ baseUrl: `${desk.url}/`, token: TOKEN, chatId: "42" }, sending)],
  ["slack", () => createSlack({ url: `${desk.url}/services/s3cret` }, sending)],
  ["discord", () => createDiscord({ url: `${desk.url}/api/webhooks/s3cret` }, sending)],
];

const bodyOf = () => JSON.parse(desk.arrivals[0]?.body ?? "") as Record<string, unknown>;

describe("what leaves", () => {
  test("a webhook gets JSON that is signed as Standard Webhooks says, anew for each try, under one id", async () => {
    const ahead = { ...sending, clock: { ...systemClock, nowMs: () => 1_700_000_000_999 } };
    const message = outgoing();
    expect(await createWebhook({ url: `${desk.url}/hook`, key: KEY }, ahead)(message, never)).toEqual({ kind: "sent" });
    const [{ headers, body, path } = { headers: {}, body: "", path: "" }] = desk.arrivals;
    expect(path).toBe("/hook");
    expect(JSON.parse(body)).toEqual({ id: message.id, recipientId: "r", seq: 7, ...message.content });
    expect(headers).toMatchObject({ "webhook-id": message.id, "webhook-timestamp": "1700000000" });
    const key = Buffer.from("a key of the tests, 32 bytes long");
    const expected = createHmac("sha256", key).update(`${message.id}.1700000000.${body}`).digest("base64");
    expect(headers["webhook-signature"]).toBe(`v1,${expected}`);
  });

  test("Telegram gets the text with the message's id in its last line, for the chat", async () => {
    await createTelegram({ baseUrl: `${desk.url}/`, token: TOKEN, chatId: "42" }, sending)(outgoing(), never);
    expect(desk.arrivals[0]?.path).toBe(`/bot${TOKEN}/sendMessage`);
    expect(bodyOf()).toEqual({
      chat_id: "42",
      text: `warning: TEST <it> & more\nIt has happened.\nLook.\n#${outgoing().id}`,
      link_preview_options: { is_disabled: true },
    });
  });

  test("Slack's signs for links and mentions are escaped", async () => {
    await createSlack({ url: desk.url }, sending)(outgoing({ text: "<!channel>" }), never);
    expect(bodyOf()).toEqual({ text: `warning: TEST &lt;it&gt; &amp; more\n&lt;!channel&gt;\n#${outgoing().id}` });
  });

  test("nobody is mentioned in Discord, and a text that is too long is cut before its id", async () => {
    await createDiscord({ url: desk.url }, sending)(outgoing({ text: "@everyone ".repeat(400) }), never);
    const { content, allowed_mentions: mentions } = bodyOf() as { content: string; allowed_mentions: unknown };
    expect(mentions).toEqual({ parse: [] });
    expect(content).toHaveLength(2_000);
    expect(content).toEndWith(`…\n#${outgoing().id}`);
  });
});

describe.each(CHANNELS)("what %s makes of an answer", (_name, channel) => {
  test.each<[number, Verdict["kind"]]>([
    [200, "sent"],
    [204, "sent"],
    [302, "refused"],
    [400, "refused"],
    [401, "refused"],
    [403, "refused"],
    [404, "refused"],
    [410, "refused"],
    [408, "later"],
    [425, "later"],
    [429, "later"],
    [500, "later"],
    [503, "later"],
  ])("%p: %s", async (status, kind) => {
    desk.answer = () => new Response(status === 204 ? null : "words", { status, headers: { location: "/elsewhere" } });
    expect((await channel()(outgoing(), never)).kind).toBe(kind);
    expect(desk.arrivals).toHaveLength(1);
  });

  test("nothing secret is in a reason, whatever is answered", async () => {
    desk.answer = ({ path }) => new Response(`${path} ${desk.url}${path} `.repeat(50), { status: 500 });
    const verdict = await channel()(outgoing(), never);
    const reason = verdict.kind === "sent" ? "" : verdict.reason;
    expect(reason).toStartWith("It answered with 500: ");
    expect(reason.length).toBeLessThan(240);
    for (const secret of ["s3cret", TOKEN, KEY]) expect(reason).not.toContain(secret);
  });

  test("it is asked for at most its time, and no longer than it is waited for", async () => {
    desk.answer = () => Promise.withResolvers<Response>().promise;
    const quick = { ...sending, timeoutMs: 100 };
    const verdict = await createWebhook({ url: `${desk.url}/hook`, key: KEY }, quick)(outgoing(), never);
    expect(verdict).toEqual({ kind: "later", reason: "It did not answer within 100 ms.", retryAfterMs: null });
    const leaving = new AbortController();
    const sent = channel()(outgoing(), leaving.signal);
    leaving.abort();
    expect((await sent).kind).toBe("later");
  });
});

describe("a far side that is not there, or stops in the middle", () => {
  const closedPort = async (answer: string): Promise<{ url: string; server: Server }> => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => (answer === "" ? socket.destroy() : socket.write(answer)));
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const address = server.address();
    return { url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`, server };
  };

  test("no answer: later", async () => {
    const { url, server } = await closedPort("");
    const verdict = await createSlack({ url }, sending)(outgoing(), never);
    expect(verdict).toMatchObject({ kind: "later", reason: expect.stringMatching(/^It cannot be reached: /) });
    server.close();
    const gone = await createSlack({ url }, sending)(outgoing(), never);
    expect(gone).toMatchObject({ kind: "later", reason: expect.stringMatching(/^It cannot be reached: /) });
  });

  test("200 and then silence: it has taken the message", async () => {
    const { url, server } = await closedPort("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nok");
    const verdict = await createSlack({ url }, { ...sending, timeoutMs: 200 })(outgoing(), never);
    expect(verdict).toEqual({ kind: "sent" });
    server.close();
  });
});

describe("how long the far side wants to be left alone", () => {
  test.each<[string | null, number | null]>([
    [null, null],
    ["3", 3_000],
    ["0", 0],
    ["-1", null],
    ["soon", null],
    ["Thu, 01 Jan 1970 00:00:20 GMT", 10_000],
    ["Thu, 01 Jan 1970 00:00:01 GMT", 0],
    ["86400", 3_600_000],
  ])("Retry-After %p: %p ms", (header, expected) => {
    expect(retryAfterOf(header, 10_000)).toBe(expected);
  });

  test("is kept from the answer, and from the body where Telegram says it there", async () => {
    desk.answer = () => new Response("slow down", { status: 429, headers: { "retry-after": "7" } });
    expect(await createSlack({ url: desk.url }, sending)(outgoing(), never)).toMatchObject({ retryAfterMs: 7_000 });
    desk.answer = () =>
      Response.json({ ok: false, description: "Too Many Requests", parameters: { retry_after: 9 } }, { status: 429 });
    const telegram = createTelegram({ baseUrl: desk.url, token: TOKEN, chatId: "42" }, sending);
    expect(await telegram(outgoing(), never)).toEqual({
      kind: "later",
      reason: "It answered with 429: Too Many Requests",
      retryAfterMs: 9_000,
    });
  });
});

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { type MailServer, openMailServer, PASSWORD } from "#services/notification/mail-server.fixture.ts";
import { systemClock } from "#shared/clock/system.ts";
import { outgoing } from "./channel.fixture.ts";
import { createEmail } from "./email.ts";

const sending = { clock: systemClock, timeoutMs: 5_000 };
const to = { from: "engine@mail.example", address: "me@mail.example" };
const never = new AbortController().signal;

let mail: MailServer;
beforeEach(async () => {
  mail = await openMailServer();
});
afterEach(() => mail.close());

describe("e-mail", () => {
  test("arrives with the message's id in its Message-ID, a header and its last line", async () => {
    const message = outgoing({ title: "Größe: 5 €", text: "Zeile" });
    expect(await createEmail({ url: mail.url, ...to }, sending)(message, never)).toEqual({ kind: "sent" });
    const [text = ""] = mail.mails;
    const [head = "", body = ""] = text.split("\r\n\r\n", 2);
    expect(head).toContain("From: engine@mail.example");
    expect(head).toContain("To: me@mail.example");
    expect(head).toMatch(/^Subject: =\?UTF-8\?/m);
    expect(head).toContain(`Message-ID: <${message.id}@r3edge>`);
    expect(head).toMatch(new RegExp(`^X-R3-Message-Id: ${message.id}`, "mi"));
    expect(head).toContain("Auto-Submitted: auto-generated");
    expect(body).toContain("Zeile");
    expect(text).toContain(`#${message.id}`);
  });

  test("a line break in a title makes no header", async () => {
    await createEmail({ url: mail.url, ...to }, sending)(outgoing({ title: "a\r\nBcc: you@mail.example" }), never);
    expect(mail.mails[0]).not.toMatch(/^Bcc:/m);
  });

  test.each<[number, string]>([
    [550, "refused"],
    [553, "refused"],
    [421, "later"],
    [451, "later"],
  ])("an address that is answered with %p: %s", async (status, kind) => {
    mail.refuses = status;
    const verdict = await createEmail({ url: mail.url, ...to }, sending)(outgoing(), never);
    expect(verdict).toMatchObject({ kind, reason: expect.stringContaining(String(status)) });
    expect(mail.mails).toEqual([]);
  });

  test("a text that is refused is so for good; a sender, which is the engine's setting, only delays it", async () => {
    mail.refusesText = 554;
    const send = createEmail({ url: mail.url, ...to }, sending);
    expect(await send(outgoing(), never)).toMatchObject({ kind: "refused", reason: expect.stringContaining("554") });
    mail.refusesSender = 550;
    expect(await send(outgoing(), never)).toMatchObject({ kind: "later", reason: expect.stringContaining("550") });
  });

  test("a password that is not taken delays it, since it is the engine's, and is in no reason", async () => {
    const url = mail.url.replace(encodeURIComponent(PASSWORD), "wr0ng%20word");
    const verdict = await createEmail({ url, ...to }, sending)(outgoing(), never);
    expect(verdict).toMatchObject({ kind: "later", reason: expect.stringContaining("535") });
    expect(JSON.stringify(verdict)).not.toContain("wr0ng");
  });

  test("a server that is silent, or not there: later, within its time", async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((listening) => silent.listen(0, "127.0.0.1", listening));
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : 0;
    const quick = { ...sending, timeoutMs: 150 };
    const began = performance.now();
    const verdict = await createEmail({ url: `smtp://127.0.0.1:${port}`, ...to }, quick)(outgoing(), never);
    expect(verdict.kind).toBe("later");
    expect(performance.now() - began).toBeLessThan(2_000);
    await new Promise((closed) => silent.close(closed));
    const gone = await createEmail({ url: `smtp://127.0.0.1:${port}`, ...to }, sending)(outgoing(), never);
    expect(gone).toMatchObject({ kind: "later", reason: expect.stringContaining("did not take it") });
  });
});

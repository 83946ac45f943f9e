import { afterAll, beforeAll, expect, test } from "bun:test";
import { pino } from "pino";
import { Registry } from "prom-client";
import { z } from "zod";
import { createHttpApp } from "#shared/http/http-app.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { findChromium, withPage } from "#testing/chromium.fixture.ts";

const log = pino({ level: "silent" });
const things = httpBase("things", log).post(
  "/things/:id",
  ({ params, query, headers, body, set }) => {
    set.headers.etag = '"7"';
    return { id: params.id, limit: query.limit, key: headers["idempotency-key"], price: body.price };
  },
  {
    params: z.object({ id: z.string().describe("Its id") }),
    query: z.strictObject({ limit: z.coerce.number().describe("How many") }),
    headers: z.object({ "idempotency-key": z.string().optional().describe("Once") }),
    body: z.strictObject({ price: z.string().describe("What it costs") }).meta({ examples: [{ price: "12.5" }] }),
    response: { 200: z.object({ id: z.string(), limit: z.number(), key: z.string().optional(), price: z.string() }) },
  },
);

interface Fields {
  hidden: boolean;
  value: string;
  textContent: string;
  click(): void;
}
declare const document: { querySelector(selector: string): Fields };

/** Runs in the browser beside the page's own script, as a person would type. */
async function typeAndSend(): Promise<void> {
  const at = (selector: string) => document.querySelector(`form[data-path="/api/things/things/{id}"]${selector}`);
  at(' [name="id"]').value = "a/b";
  at(' [name="limit"]').value = "5";
  at(' [name="idempotency-key"]').value = "once";
  const example = at(" textarea").value;
  const shown = async () => {
    at(" pre").textContent = "";
    at(" button").click();
    while (!/^\d/.test(at(" pre").textContent)) await new Promise((resolve) => setTimeout(resolve, 10));
    return at(" pre").textContent;
  };
  const good = await shown();
  at(" textarea").value = "{}";
  const bad = await shown();
  const { hidden } = at("");
  await fetch("/outcome", { method: "POST", body: JSON.stringify({ hidden, example, good, bad }) });
}

let chromium: string;
beforeAll(async () => {
  chromium = await findChromium();
}, 300_000);

const servers: { stop(force: boolean): Promise<void> }[] = [];
afterAll(async () => {
  for (const server of servers) await server.stop(true);
});

test("a form of /openapi sends what was typed, under the page's own policy, and shows the answer", async () => {
  const told = Promise.withResolvers<unknown>();
  const own = new Set<string>();
  const app = createHttpApp({
    services: [{ name: "things", description: "Things.", routes: things, notReady: () => [] }],
    account: null,
    version: "1.2.3",
    pid: 1,
    log,
    registry: new Registry(),
    maxBodyBytes: 1_000,
    hosts: { own, pages: new Set() },
    checkAnswers: true,
  });
  const driver = `(${String(typeAndSend)})();`;
  const hash = new Bun.CryptoHasher("sha256").update(driver).digest("base64");
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const path = new URL(request.url).pathname;
      if (path === "/outcome") {
        told.resolve(await request.json());
        return new Response();
      }
      const answer = await app.handle(request);
      if (path !== "/openapi") return answer;
      const policy = answer.headers.get("content-security-policy") ?? "";
      const html = (await answer.text()).replace("</body>", `<script>${driver}</script></body>`);
      const headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": policy.replace("script-src ", `script-src 'sha256-${hash}' `),
      };
      return new Response(html, { headers });
    },
  });
  servers.push(server);
  own.add(`127.0.0.1:${server.port}`);
  const outcome = await withPage(chromium, `http://127.0.0.1:${server.port}/openapi`, () => told.promise);
  expect(outcome).toEqual({
    hidden: false,
    example: '{\n  "price": "12.5"\n}',
    good: '200 OK\nETag: "7"\n{\n  "id": "a/b",\n  "limit": 5,\n  "key": "once",\n  "price": "12.5"\n}',
    bad: expect.stringMatching(
      /^422 .*\n\{\n {2}"errors": \[\n {4}\{\n {6}"field": "price",\n {6}"message": "is missing"/,
    ),
  });
}, 60_000);

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { freePort } from "#local/ports.ts";
import { getJson } from "#local/rest.ts";
import { type RunningApi, startApi } from "#testing/api.fixture.ts";
import { findChromium, withPage } from "#testing/chromium.fixture.ts";
import { type Outcomes, servePage } from "#testing/foreign-page.fixture.ts";

let chromium: string;
let api: RunningApi;
/** Where a page is served that the settings name, and one that nobody does. */
let ownPort: number;
beforeAll(async () => {
  chromium = await findChromium();
  ownPort = await freePort();
  api = await startApi({ R3_HTTP_ALLOWED_HOSTS: JSON.stringify([`127.0.0.1:${ownPort}`]) });
}, 300_000);
afterAll(async () => await api.close());

async function open(host: string, port: number): Promise<Outcomes> {
  const aim = {
    engine: api.process.url,
    sessionId: api.sessionId,
    socket: "/api/paper-exchange/markets/made-up/ws",
  };
  const page = servePage(aim, port);
  try {
    return await withPage(chromium, `http://${host}:${port}/`, () => page.outcomes);
  } finally {
    await page.stop();
  }
}

/** The session, without what it was denied since it started: it trades on meanwhile. */
async function session() {
  const url = `${api.url}/session-manager/sessions/${api.sessionId}`;
  const { denials: _denials, ...kept } = (await getJson(url)) as { state: string; denials: unknown };
  return kept;
}

/** How many requests were turned away before any route saw them, by their method. */
async function refused(): Promise<Record<string, number>> {
  const text = await (await fetch(`${api.process.url}/metrics`)).text();
  const counts = [...text.matchAll(/^http_request_duration_seconds_count\{(.*)\} (\d+)$/gm)]
    .filter(([, labels = ""]) => labels.includes('route="none"') && labels.includes('status="403"'))
    .map(([, labels = "", count]) => [/method="(\w+)"/.exec(labels)?.[1], Number(count)]);
  return Object.fromEntries(counts) as Record<string, number>;
}

describe("a real browser's page", () => {
  test.each(["127.0.0.1", "localhost"])("of another port of %s controls and reads nothing", async (host) => {
    const [sessionBefore, before] = [await session(), await refused()];
    expect(sessionBefore.state).toBe("RUNNING");
    // What was sent and may not be read is seen where it arrives.
    expect(await open(host, await freePort())).toEqual({
      "reads the session": "failed",
      "pauses by fetch": "failed",
      "pauses by fetch without asking to read the answer": "sent",
      "stops by fetch with JSON": "failed",
      "pauses by a form without a body": "sent",
      "opens a WebSocket": "failed",
    });
    const after = await refused();
    const more = Object.keys(after).map((method) => [method, (after[method] ?? 0) - (before[method] ?? 0)]);
    expect(Object.fromEntries(more)).toEqual({ GET: 2, POST: 3, OPTIONS: 1 });
    expect(await session()).toEqual(sessionBefore);
  });

  test("of a host that the settings name is obeyed, so that what is refused above would have worked", async () => {
    const outcomes = await open("127.0.0.1", ownPort);
    expect(outcomes).toMatchObject({ "pauses by fetch": "failed", "opens a WebSocket": "open" });
    expect((await session()).state).toBe("PAUSED");
  });
});

import { afterAll, beforeAll, expect, test } from "bun:test";
import { z } from "zod";
import { venueOrders, venueTrades } from "#demo/venue-client.ts";
import { getJson, postJson } from "#local/rest.ts";
import { eventually, type RunningProcess } from "#testing/alone.fixture.ts";
import { createSyntheticWorld, type SyntheticWorld } from "#testing/synthetic-world.fixture.ts";

/** The kill switch while all but Postgres, the venue and the services that close positions are down. */

const VENUE = ["paper-exchange", "data-collect", "market-data"];
const STRATEGIES = ["session-manager", "strategy-executor"];

let world: SyntheticWorld;
let strategies: RunningProcess;
let tracker: RunningProcess;

beforeAll(async () => {
  world = await createSyntheticWorld("kill", { together: [VENUE, STRATEGIES] });
  await world.start(VENUE);
  tracker = await world.start(["order-position-tracker"]);
  await world.start(["order-position-tracker"], { extra: true });
  await world.start(["risk-manager"]);
  strategies = await world.start(STRATEGIES);
}, 90_000);
afterAll(async () => {
  await world.close();
});

const sessionSchema = z.object({
  id: z.string(),
  state: z.string(),
  stopPolicy: z.string(),
  stateReason: z.string().nullable(),
});
const killSchema = z.object({
  id: z.string(),
  state: z.string(),
  sessions: z.number(),
  flat: z.number(),
  createdAtMs: z.number(),
});
const exposureSchema = z.object({ openOrders: z.number(), positions: z.number() });

const sessionsUrl = () => `${world.urls["session-manager"]}/api/session-manager/sessions`;
const riskUrl = () => `${world.urls["risk-manager"]}/api/risk-manager`;
const readSession = async (id: string) => sessionSchema.parse(await getJson(`${sessionsUrl()}/${id}`));
const exposureOf = async (id: string) =>
  exposureSchema.parse(
    await getJson(`${world.urls["order-position-tracker"]}/api/order-position-tracker/exposure?sessionId=${id}`),
  );
const killOf = async (id: string) => killSchema.parse(await getJson(`${riskUrl()}/kill/${id}`));

async function startSession(name: string): Promise<string> {
  const id = await world.startFlips(name);
  await eventually(`${name} runs`, async () => (await readSession(id)).state === "RUNNING", 30_000);
  return id;
}

/** Stops a session while it holds something, which it keeps. */
async function stopHolding(id: string): Promise<void> {
  await eventually(
    "it is STOPPED and holds something",
    async () => {
      await eventually("it holds something", async () => (await exposureOf(id)).positions === 1);
      await postJson(`${sessionsUrl()}/${id}/stop`, {});
      await eventually("it is STOPPED", async () => (await readSession(id)).state === "STOPPED");
      if ((await exposureOf(id)).positions === 1) return true;
      await postJson(`${sessionsUrl()}/${id}/start`, {});
      await eventually("it runs again", async () => (await readSession(id)).state === "RUNNING");
      return false;
    },
    60_000,
  );
}

test("an account is killed while Redis, strategies and session-manager are gone and one of two trackers dies: no entry follows, all is flat, and it trades again by a person alone", async () => {
  const kept = await startSession("kept");
  await stopHolding(kept);
  const running = await startSession("running");
  await eventually("it has traded", async () => (await venueTrades(world.access)).length >= 5, 30_000);

  await world.redis.cut();
  await world.kill(strategies);
  const beganMs = performance.now();
  const killed = killSchema.parse(
    (await postJson(`${riskUrl()}/kill`, { account: world.accountId, reason: "A drill." }, { idempotencyKey: "drill" }))
      .body,
  );
  const answeredMs = performance.now() - beganMs;
  const known = (await venueOrders(world.access)).length;
  await world.kill(tracker);
  const again = killSchema.parse(
    (await postJson(`${riskUrl()}/kill`, { account: world.accountId, reason: "A drill." }, { idempotencyKey: "drill" }))
      .body,
  );
  expect(again.id).toBe(killed.id);
  await eventually("all is flat", async () => (await killOf(killed.id)).state === "FLAT", 60_000);
  const flatMs = performance.now() - beganMs;
  expect(await killOf(killed.id)).toMatchObject({ sessions: 2, flat: 2 });
  const orders = await venueOrders(world.access);
  expect(orders.slice(known).map(({ side }) => side)).not.toContain("BUY");
  expect(orders.filter(({ status }) => status === "NEW" || status === "PARTIALLY_FILLED")).toEqual([]);

  await world.redis.mend();
  tracker = await world.start(["order-position-tracker"]);
  for (const id of [kept, running]) expect(await exposureOf(id)).toEqual({ openOrders: 0, positions: 0 });
  strategies = await world.start(STRATEGIES);
  await eventually(
    "the killed session is STOPPED",
    async () => (await readSession(running)).state === "STOPPED",
    30_000,
  );
  expect((await readSession(running)).stopPolicy).toBe("flatten");
  const refused = await postJson(`${sessionsUrl()}/${running}/start`, {}, { accept: [409] });
  expect(refused.body).toMatchObject({
    status: 409,
    detail: expect.stringMatching(
      /^The account kill is HALTED since \S+: killed by local: A drill\. PUT \/api\/risk-manager\/accounts\/kill\/trading-state with \{"tradingState": "ACTIVE"\} ends that first\.$/,
    ),
  });
  const active = await fetch(`${riskUrl()}/accounts/${world.accountId}/trading-state`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ tradingState: "ACTIVE" }),
  });
  expect(await active.json()).toMatchObject({ tradingState: "ACTIVE", kills: [] });
  const before = (await venueOrders(world.access)).length;
  await postJson(`${sessionsUrl()}/${running}/start`, {});
  await eventually("it trades again", async () => (await venueOrders(world.access)).length > before, 30_000);
  process.stdout.write(
    `${JSON.stringify({ kill: { answeredMs: Math.round(answeredMs), flatMs: Math.round(flatMs), sessions: 2, orders: orders.length } })}\n`,
  );
}, 240_000);

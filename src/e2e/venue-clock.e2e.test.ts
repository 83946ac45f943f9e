import { afterAll, beforeAll, expect, test } from "bun:test";
import { hostname } from "node:os";
import { getJson, postJson } from "#local/rest.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { ACCOUNT, type RunningApi, startApi } from "#testing/api.fixture.ts";

const KEYS = { apiKey: "api-key", secret: "api-secret" };
interface Clock {
  venue: string;
  offsetMs: number | null;
  roundTripMs: number | null;
}
type Items<Item> = { items: Item[] };

let api: RunningApi;
beforeAll(async () => {
  const accounts = [
    { id: ACCOUNT, venue: "paper", ...KEYS },
    { id: "of-days", venue: "days", ...KEYS },
  ];
  api = await startApi({
    R3_ACCOUNTS: JSON.stringify(accounts),
    R3_ORDER_POSITION_TRACKER_CLOCK_INTERVAL_MS: "300",
    R3_MONITORING_LOOK_MS: "200",
    R3_PAPER_EXCHANGE_CONTROL: "true",
  });
}, 90_000);
afterAll(() => api.close());

const get = <Answer>(path: string) => getJson(`${api.url}/${path}`) as Promise<Answer>;

/** Sets both venues' clocks on by so much. */
async function setAhead(aheadMs: number): Promise<void> {
  const faults = aheadMs === 0 ? [] : [{ fault: "clock-off", aheadMs }];
  for (const market of ["made-up", "days"]) {
    const path = `paper-exchange/markets/${market}/control/faults`;
    expect((await postJson(`${api.url}/${path}`, { seed: 1, faults })).status).toBe(200);
  }
}

async function clocks(): Promise<Clock[]> {
  const { items } = await get<Items<{ service: string; instances: { venueClocks: Clock[] }[] }>>("monitoring/services");
  const tracker = items.find(({ service }) => service === "order-position-tracker");
  return tracker?.instances.flatMap(({ venueClocks }) => venueClocks) ?? [];
}
const offsetOf = async (name: string) => (await clocks()).find(({ venue }) => venue === name)?.offsetMs ?? null;
const alerts = async (state: "open" | "over") =>
  (await get<Items<{ scope: string; text: string }>>(`monitoring/alerts?state=${state}&code=VENUE_CLOCK_OFF`)).items;

test("a venue's clock that is off is shown and alerted, and over by itself once it is right again; a replay's is neither", async () => {
  const change = { forMs: 1_000, endsAfterMs: 0 };
  await eventually("the rule is there", async () => {
    const answer = await fetch(`${api.url}/monitoring/rules/VENUE_CLOCK_OFF`, {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(change),
    });
    return answer.ok;
  });
  const first = await eventually("it is measured", () => offsetOf("paper"));
  expect(Math.abs(first)).toBeLessThan(400);
  expect(await alerts("open")).toEqual([]);
  await setAhead(-5_000);
  const [alert, ...others] = await eventually("it is alerted", async () => {
    const open = await alerts("open");
    return open.length > 0 && open;
  });
  expect(others).toEqual([]);
  expect(alert?.scope).toBe(`venue:paper/${hostname()}`);
  expect(alert?.text).toContain("behind");
  expect(await offsetOf("paper")).toBeWithin(-5_400, -4_600);
  const replay = (await clocks()).find(({ venue }) => venue === "days");
  expect(replay).toEqual({ venue: "days", offsetMs: null, roundTripMs: null, measuredAtMs: null } as Clock);
  const page = await (await fetch(`${api.url}/monitoring/`)).text();
  expect(page).toMatch(/clock of paper \d+ m?s behind/);
  expect(page).not.toContain("clock of days");
  await setAhead(0);
  await eventually("it is over", async () => (await alerts("open")).length === 0);
  expect(await alerts("over")).toHaveLength(1);
}, 60_000);

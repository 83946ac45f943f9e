import { afterAll, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { freePort } from "#local/ports.ts";
import { endLeftovers } from "#local/process-record.ts";
import { getJson, postJson } from "#local/rest.ts";
import { ROOT } from "#local/root.ts";
import { removeData } from "#local/servers.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { openShell, type Shell, typedBlocks } from "#testing/typed.fixture.ts";
import { runUp } from "#testing/up.fixture.ts";

type Answer = Record<string, unknown> & { items: Record<string, unknown>[] };

const folder = mkdtempSync(join(tmpdir(), "first-session-"));
const guide = await Bun.file(resolve(ROOT, "docs/first-session.md")).text();
const shells: Shell[] = [];

afterAll(async () => {
  for (const shell of shells) await shell.close();
  await endLeftovers(join(folder, "processes"));
  removeData(folder);
});

/** The settings of the guide's first block, on a port of this test's own and ten days a second. */
async function settingsOfGuide(): Promise<Record<string, string>> {
  const block = /```settings\n([^`]+)```/.exec(guide)?.[1] ?? "";
  const text = block.replaceAll("7300", String(await freePort())).replace('"speed":86400', '"speed":864000');
  return parseEnv(text) as Record<string, string>;
}

/** The bodies that the guide sends: the session's, the faults', and the backtest's; its last blocks are typed. */
const bodies = [...guide.matchAll(/-d '(\{[^']+\})'/g)].map((match): unknown => JSON.parse(match[1] ?? ""));

const TOLD = ["subscribed", "snapshot", "candle", "candle", "candle"];

/** What the stream has told: of what types, and whether its candles are numbered densely from the snapshot's on. */
function streamed(said: string) {
  type Told = { type: string; followed?: boolean; closed?: { n: number }[]; candle?: { n: number } };
  const told = said
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Told);
  const ns = told.flatMap(({ closed, candle }) => [...(closed ?? []), ...(candle === undefined ? [] : [candle])]);
  return {
    types: told.map(({ type }) => type),
    followed: told[1]?.followed,
    numbered: ns.length === 4 && ns.every(({ n }, index) => n === (ns[0]?.n ?? 0) + index),
  };
}

test("docs/first-session.md: what it says to type makes a session that trades, and its backtest", async () => {
  const settings = { ...(await settingsOfGuide()), R3_DATA_FOLDER: folder };
  const ended = await runUp(settings, ["--bars", "12"], async (api) => {
    const ask = async (path: string) => (await getJson(`${api}/${path}`)) as Answer;
    const [session, faults, backtest] = bodies;
    const { id } = (await postJson(`${api}/session-manager/sessions`, session)).body as { id: string };
    const url = `session-manager/sessions/${id}`;
    await postJson(`${api}/${url}/start`, {});
    await eventually("it runs", async () => (await ask(url))["state"] === "RUNNING", 30_000);
    const shell = openShell(ROOT);
    shells.push(shell);
    const port = new URL(api).port;
    const blocks = typedBlocks(guide).map((block) => block.replaceAll("7300", port));
    const [, , follow = "", , , kill = "", release = "", change = "", ...more] = blocks;
    expect(more).toEqual([]);
    await shell.type(`API=${api}; ID=${id}`);
    expect(streamed(await shell.type(follow))).toEqual({ types: TOLD, followed: true, numbered: true });
    const orders = async () => (await ask(`order-position-tracker/orders?sessionId=${id}`)).items;
    await eventually("an order is filled", async () => (await orders())[0]?.["state"] === "FILLED", 60_000);
    expect((await ask(`order-position-tracker/positions?sessionId=${id}`)).items).toHaveLength(1);
    expect((await ask(`order-position-tracker/equity?sessionId=${id}`)).items.length).toBeGreaterThan(3);
    expect((await ask(`risk-manager/decisions?sessionId=${id}`)).items[0]).toMatchObject({ kind: "approved" });
    expect(await ask("order-position-tracker/accounts/me")).toMatchObject({
      id: "me",
      venue: "my-paper",
      balances: { USD: { total: expect.any(String), owned: expect.any(String), free: expect.any(String) } },
    });
    const missing = async () => (await ask(url))["degraded"] as { code: string }[];
    await postJson(`${api}/paper-exchange/markets/mine/control/faults`, faults);
    await eventually("it says the ban", async () => (await missing())[0]?.code === "VENUE_BANNED", 15_000);
    await eventually("nothing is missing", async () => (await missing()).length === 0, 40_000);
    const run = (await postJson(`${api}/backtest/runs`, backtest)).body as { id: string };
    const done = async () => (await ask(`backtest/runs/${run.id}`))["state"] === "DONE";
    await eventually("the backtest is done", done, 30_000);
    const killed = JSON.parse(await shell.type(kill)) as { id: string };
    const isFlat = async () => (await ask(`risk-manager/kill/${killed.id}`))["state"] === "FLAT";
    await eventually("it is flat", isFlat, 30_000);
    expect((await ask(`order-position-tracker/exposure?sessionId=${id}`))["positions"]).toBe(0);
    const stops = (state: string, stopPolicy: string) =>
      eventually(`${state} with ${stopPolicy}`, async () => {
        const shown = await ask(url);
        return shown["state"] === state && shown["stopPolicy"] === stopPolicy;
      });
    // As the guide says, for good: its next stop would sell too.
    await stops("STOPPED", "flatten");
    expect((await postJson(`${api}/${url}/start`, {}, { accept: [409] })).status).toBe(409);
    expect(await ask("order-position-tracker/accounts/me")).toMatchObject({ tradingState: "HALTED" });
    expect(JSON.parse(await shell.type(release))).toMatchObject({ tradingState: "ACTIVE", kills: [] });
    expect(JSON.parse(await shell.type(change))).toMatchObject({ stopPolicy: "keep" });
    expect((await postJson(`${api}/${url}/start`, {})).status).toBe(200);
    await stops("RUNNING", "keep");
    await postJson(`${api}/${url}/stop`, {});
    await stops("STOPPED", "keep");
  });
  expect(ended.code).toBe(0);
}, 180_000);

test("a session whose venue R3_VENUES no longer names says so, at a start too, and runs again once it is back", async () => {
  const settings = { ...(await settingsOfGuide()), R3_DATA_FOLDER: folder };
  let url = "";
  type Shown = { state: string; stateReason: string | null; degraded: { code: string; text: string }[] };
  const shown = async (api: string) => (await getJson(`${api}/${url}`)) as Shown;
  const codes = async (api: string) => (await shown(api)).degraded.map(({ code }) => code);
  const alerts = async (api: string) => {
    const { items } = (await getJson(`${api}/monitoring/alerts?scope=session:${url.split("/").at(-1)}`)) as Answer;
    return items.map(({ code }) => code);
  };
  const untilAlerts = (api: string, codes: string) =>
    eventually(`its alerts are "${codes}"`, async () => (await alerts(api)).join() === codes, 10_000);
  const asked = (api: string, action: string) => postJson(`${api}/${url}/${action}`, {});
  const reaches = (api: string, state: string) =>
    eventually(`it is ${state}`, async () => (await shown(api)).state === state, 30_000);

  await runUp(settings, ["--bars", "12"], async (api) => {
    const { id } = (await postJson(`${api}/session-manager/sessions`, bodies[0])).body as { id: string };
    url = `session-manager/sessions/${id}`;
    await asked(api, "start");
    await reaches(api, "RUNNING");
  });
  await runUp({ ...settings, R3_VENUES: "[]", R3_ACCOUNTS: "[]" }, ["--bars", "12"], async (api) => {
    await eventually("it is degraded", async () => (await codes(api)).includes("VENUE_NOT_CONFIGURED"), 10_000);
    expect(await codes(api)).toContain("ACCOUNT_NOT_CONFIGURED");
    const { state, degraded } = await shown(api);
    expect(state).toBe("RUNNING");
    expect(degraded.map(({ text }) => text).join()).toContain('R3_VENUES does not name "my-paper"');
    await untilAlerts(api, "SESSION_DEGRADED");
    await asked(api, "stop");
    await reaches(api, "STOPPED");
    await untilAlerts(api, "");
    expect((await asked(api, "start")).body).toMatchObject({
      state: "STARTING",
      stateReason: expect.stringContaining('R3_VENUES does not name "my-paper"'),
    });
  });
  await runUp(settings, ["--bars", "12"], async (api) => {
    await reaches(api, "RUNNING");
    await eventually("nothing is missing", async () => (await codes(api)).length === 0, 30_000);
    await untilAlerts(api, "");
  });
}, 240_000);

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
import { KEY, openDesk } from "#services/notification/desk.fixture.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { runUp } from "#testing/up.fixture.ts";

type Answer = Record<string, unknown>;
type Page = { items: Answer[] };

const folder = mkdtempSync(join(tmpdir(), "new-user-"));
const desk = openDesk();
afterAll(async () => {
  await desk.close();
  await endLeftovers(join(folder, "processes"));
  removeData(folder);
});

/** The market of the guide for a first session: ten days a second. */
async function settings(): Promise<Record<string, string>> {
  const guide = await Bun.file(resolve(ROOT, "docs/first-session.md")).text();
  const block = /```settings\n([^`]+)```/.exec(guide)?.[1] ?? "";
  const text = block.replaceAll("7300", String(await freePort())).replace('"speed":86400', '"speed":864000');
  return parseEnv(text) as Record<string, string>;
}

const STRATEGY = {
  strategy: "sma-cross",
  timeFrame: "1d",
  capital: "2000",
  riskPolicy: { sizing: { method: "percent-of-equity", percent: "50" } },
};
const SESSION = {
  ...STRATEGY,
  name: "Mine",
  params: { fast: 3, slow: 8 },
  instrumentIds: ["SPX/USD.my-paper"],
  accountId: "me",
};
/** Less than any order of it: each entry is denied. */
const TIGHT = { ...SESSION.riskPolicy, maxOrderNotional: "100" };

test("a new user trades, is told, learns why an order was denied, sweeps, looks at the queues, kills an account and sees it flat", async () => {
  const ended = await runUp({ ...(await settings()), R3_DATA_FOLDER: folder }, ["--bars", "12"], async (api) => {
    const read = async (path: string) => await getJson(`${api}/${path}`);
    const ask = async (path: string) => (await read(path)) as Answer;
    const items = async (path: string) => ((await read(path)) as Page).items;
    const send = async (path: string, body: unknown) => (await postJson(`${api}/${path}`, body)).body as Answer;

    const recipient = await send("notification/recipients", {
      name: "My desk",
      channel: { type: "webhook", url: `${desk.url}/me`, secret: KEY },
    });
    await send(`notification/recipients/${String(recipient["id"])}/test`, {});
    await eventually("the test message", () => desk.at("/me").some(({ kind }) => kind === "test"), 20_000);

    const start = async (session: object) => {
      const { id } = await send("session-manager/sessions", session);
      await send(`session-manager/sessions/${String(id)}/start`, {});
      return String(id);
    };
    const trading = await start(SESSION);
    const denied = await start({ ...SESSION, name: "Too tight", riskPolicy: TIGHT });
    const first = (id: string) => items(`order-position-tracker/orders?sessionId=${id}`).then(([order]) => order);
    await eventually("an order is filled", async () => (await first(trading))?.["state"] === "FILLED", 60_000);
    await eventually("its message", () => desk.at("/me").some(({ text }) => text.includes("SPX/USD")), 20_000);
    const decision = await eventually(
      "a denial",
      async () => (await items(`risk-manager/decisions?sessionId=${denied}`)).find(({ kind }) => kind === "denied"),
      60_000,
    );
    expect(decision).toMatchObject({
      code: "MAX_ORDER_NOTIONAL",
      reason: expect.stringContaining("above the limit 100"),
    });
    expect(await first(denied)).toBeUndefined();

    const { params: _one, instrumentIds, accountId: _account, name: _name, ...run } = SESSION;
    const sweep = await send("backtest/sweeps", {
      ...run,
      instrumentId: instrumentIds[0],
      grid: { fast: [3, 5], slow: { from: 8, to: 12, step: 2 } },
    });
    const isDone = async () => (await ask(`backtest/sweeps/${String(sweep["id"])}`))["state"] === "DONE";
    await eventually("the sweep is done", isDone, 30_000);
    const best = await items(`backtest/sweeps/${String(sweep["id"])}/runs?sort=netProfit&order=desc`);
    expect(best.map(({ state }) => state)).toEqual(Array.from({ length: 6 }, () => "DONE"));

    const root = api.replace(/\/api$/, "");
    expect(await (await fetch(`${root}/`)).text()).toContain("Too tight");
    const board = (await getJson(`${root}/queues/api/queues?activeQueue=backtest&status=completed`)) as {
      queues: unknown;
    };
    expect(JSON.stringify(board.queues)).toContain("run-sweep");

    const kill = await send("risk-manager/kill", { account: "me", reason: "A drill." });
    const isFlat = async () => (await ask(`risk-manager/kill/${String(kill["id"])}`))["state"] === "FLAT";
    await eventually("it is flat", isFlat, 30_000);
    expect(await ask(`order-position-tracker/exposure?sessionId=${trading}`)).toEqual({ openOrders: 0, positions: 0 });
  });
  expect(ended.code).toBe(0);
}, 240_000);

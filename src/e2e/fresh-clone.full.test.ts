import { afterAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { freePort } from "#local/ports.ts";
import { endLeftovers } from "#local/process-record.ts";
import { getJson } from "#local/rest.ts";
import { ROOT } from "#local/root.ts";
import { removeData } from "#local/servers.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { openShell, terminalEnvironment, typedBlocks } from "#testing/typed.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "fresh-clone-"));
const data = mkdtempSync(join(tmpdir(), "fresh-clone-data-"));
const clone = join(folder, "r3edge-engine");

afterAll(async () => {
  await endLeftovers(join(data, "processes"));
  removeData(data);
  rmSync(folder, { recursive: true, force: true });
});

/** Types a command that goes on, as into a terminal of its own, and interrupts it as Ctrl-C does once `until` has come. */
async function during(command: string, settings: Record<string, string>, until: () => Promise<void>): Promise<void> {
  const cwd = existsSync(clone) ? clone : folder;
  const terminal = spawn("sh", ["-c", command], {
    cwd,
    env: terminalEnvironment({ R3_DATA_FOLDER: data, ...settings }),
    detached: true,
    stdio: "ignore",
  });
  const closed = once(terminal, "close");
  try {
    await until();
  } finally {
    process.kill(-(terminal.pid ?? 0), "SIGINT");
    await closed;
  }
}

const sessions = z.object({
  items: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      state: z.string(),
      degraded: z.array(z.object({ code: z.string() })),
    }),
  ),
});

test("README.md and docs/first-session.md, typed word for word in a fresh clone, come to a session that trades", async () => {
  // What is committed: a clone has nothing else.
  const origin = join(folder, "origin/r3edge-engine.git");
  expect(Bun.spawnSync(["git", "clone", "--quiet", "--bare", ROOT, origin]).exitCode).toBe(0);
  const port = String(await freePort());
  const api = `http://127.0.0.1:${port}/api`;
  const own = (text: string) => text.replaceAll("7300", port);
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const [, begin = ""] = /## Two commands[\s\S]*?```\n([\s\S]*?)```/.exec(readme) ?? [];
  expect(begin).toContain("<this repository>");
  const isReady = () =>
    getJson(`http://127.0.0.1:${port}/readyz`).then(
      () => true,
      () => false,
    );
  await during(begin.replace("<this repository>", origin), { R3_HTTP_PORT: port }, async () => {
    await eventually("the services are up", isReady, 240_000);
  });

  const guide = readFileSync(join(clone, "docs/first-session.md"), "utf8");
  const [, settings = ""] = /```settings\n([\s\S]*?)```/.exec(guide) ?? [];
  writeFileSync(join(clone, "my.env"), own(settings));
  const blocks = typedBlocks(guide).map(own);
  const [start = "", create = "", follow = "", misbehave = "", test = "", ...stop] = blocks;
  const [kill = "", active = "", change = "", ...more] = stop;
  expect(more).toEqual([]);
  await during(start, {}, async () => {
    await eventually("the services are up", isReady, 60_000);
    const mine = async () => {
      const { items } = sessions.parse(await getJson(`${api}/session-manager/sessions`));
      return items.find(({ name }) => name === "My first");
    };
    const killed = async (id: string) => ((await getJson(`${api}/risk-manager/kill/${id}`)) as { state: string }).state;
    const shell = openShell(clone);
    try {
      await eventually("the market is listed", async () => {
        const { items } = (await getJson(`${api}/market-data/instruments`)) as { items: { id: string }[] };
        return items.some(({ id }) => id === "SPX/USD.my-paper");
      });
      expect(await shell.type(create)).toContain('"state":"STARTING"');
      await eventually("it runs", async () => (await mine())?.state === "RUNNING", 30_000);
      expect(await shell.type(follow)).toContain('"followed":true');
      await shell.type(misbehave);
      await eventually("it says so", async () => (await mine())?.degraded[0]?.code === "VENUE_BANNED", 20_000);
      expect(await shell.type(test)).toMatch(/"state":"(QUEUED|RUNNING)"/);
      await eventually("nothing is missing", async () => (await mine())?.degraded.length === 0, 40_000);
      const [, killId = ""] = /"id":"([^"]+)"/.exec(await shell.type(kill)) ?? [];
      await eventually("it is flat", async () => (await killed(killId)) === "FLAT", 30_000);
      await eventually("it is stopped", async () => (await mine())?.state === "STOPPED", 30_000);
      expect(await shell.type(active)).toContain('"tradingState":"ACTIVE"');
      expect(await shell.type(change)).toContain('"stopPolicy":"keep"');
    } finally {
      await shell.close();
    }
  });
}, 600_000);

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { loadRun } from "#demo/demo-run.ts";
import { demoSession } from "#demo/demo-settings.ts";
import { environment } from "#local/environment.ts";
import { endLeftovers } from "#local/process-record.ts";
import { getJson, postJson } from "#local/rest.ts";
import { ROOT } from "#local/root.ts";
import { removeData } from "#local/servers.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { runUp } from "#testing/up.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "up-again-"));

afterAll(async () => {
  await endLeftovers(join(folder, "processes"));
  removeData(folder);
});

const up = (args: readonly string[], look?: (sessionsUrl: string, said: string) => Promise<void>) =>
  runUp({ R3_DATA_FOLDER: folder }, args, look && ((api, said) => look(`${api}/session-manager/sessions`, said())));

/** Each line of the tables that say where to look: what it is, and its address. */
const placesIn = (said: string): string[][] =>
  [...said.matchAll(/^│ (.+?) +│ (http\S+) +│$/gm)].map(([, name = "", url = ""]) => [name, url]);

/** Runs bin/up at a terminal where a person presses Ctrl-C instead of answering its question. Gives its exit code. */
async function upInterruptedAtQuestion(args: readonly string[]): Promise<number> {
  let shown = "";
  const child = Bun.spawn([process.execPath, "bin/up.ts", ...args], {
    cwd: ROOT,
    env: environment({ R3_DATA_FOLDER: folder }),
    timeout: 60_000,
    terminal: {
      data(_terminal, data) {
        shown += new TextDecoder().decode(data);
      },
    },
  });
  await eventually("the question", () => shown.includes("[y/N]"), 30_000);
  // As the terminal does at Ctrl-C.
  child.kill("SIGINT");
  return await child.exited;
}

const names = z.object({ items: z.array(z.object({ name: z.string() })) });
const view = z.object({ state: z.string() });

test("bin/up goes on with what a person made of the demo's engine, and removes nothing of it unasked", async () => {
  const first = await up(["--bars", "20"], async (sessions, said) => {
    const places = placesIn(said);
    expect(places.map(([name]) => name)).toEqual([
      "start page",
      "status of the services",
      "sessions",
      "alerts",
      "orders",
      "backtests",
      "task queues",
      "REST API",
      "orders",
      "equity",
    ]);
    for (const [name, url = ""] of places) expect([name, (await fetch(url)).status]).toEqual([name, 200]);
    const second = await up([]);
    expect(second.code).toBe(1);
    expect(second.said).toContain(`already runs on ${folder} (process `);
    expect(second.said).toContain(`) at ${new URL("/", sessions).href}; stop it, or set R3_DATA_FOLDER`);
    const run = loadRun(folder);
    if (run === null) throw new Error("There is no run.");
    await postJson(sessions, { ...demoSession(run), name: "mine" });
    const url = `${sessions}/${run.sessionId}`;
    await postJson(`${url}/stop`, {});
    await eventually("stopped", async () => view.parse(await getJson(url)).state === "STOPPED");
    expect((await fetch(url, { method: "DELETE" })).status).toBe(204);
  });
  expect(first.code).toBe(0);
  expect(first.said).toContain("Interrupted (SIGINT): stopping everything");
  const at = (text: string) => first.said.indexOf(text);
  expect(at("✔ Services, in one process")).toBeLessThan(at("start page"));
  expect(at("/api/session-manager/sessions")).toBeLessThan(at("✔ Demo session created"));
  expect(first.said).toEndWith(
    `Data and logs stay in ${folder} (R3_DATA_FOLDER); \`bin/up\` with the same settings starts from there again.\n`,
  );

  const again = await up([], async (sessions) => {
    expect(names.parse(await getJson(sessions)).items).toEqual([{ name: "mine" }]);
  });
  expect(again.code).toBe(0);
  expect(again.said).toContain("The demo's session was deleted; `bin/up --fresh` plays a new demo.\n");

  const other = await up(["--bars", "21"]);
  expect(other.code).toBe(1);
  expect(other.said).toContain('A new demo would remove your sessions ("mine"): `bin/up` goes on with them');
  expect(loadRun(folder)?.bars).toBe(20);

  const unasked = await up(["--bars", "21", "--fresh"]);
  expect(unasked.code).toBe(1);
  expect(unasked.said).toContain('--fresh would remove your sessions ("mine"): add --yes to remove them');
  expect(loadRun(folder)?.bars).toBe(20);

  expect(await upInterruptedAtQuestion(["--bars", "21", "--fresh"])).toBe(130);
  expect(loadRun(folder)?.bars).toBe(20);

  const fresh = await up(["--bars", "21", "--fresh", "--yes", "--until-demo-ends"]);
  expect(fresh).toEqual({ code: 0, said: expect.stringContaining("bar 21 of 21") });
}, 180_000);

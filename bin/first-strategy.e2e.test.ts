import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { eventually } from "./alone.fixture.ts";
import { copyRepository } from "./copy-repository.ts";
import { environment } from "./environment.ts";
import { freePort } from "./ports.ts";
import { endLeftovers } from "./process-record.ts";
import { getJson } from "./rest.ts";
import { removeData } from "./servers.ts";

const folder = mkdtempSync(join(tmpdir(), "first-strategy-"));
const data = mkdtempSync(join(tmpdir(), "first-strategy-data-"));
const guide = await Bun.file(resolve(import.meta.dir, "../docs/strategies.md")).text();
/** What the guide has to be typed, in its order. */
const [start, ...typed] = [...guide.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""]) => block);

afterAll(async () => {
  await endLeftovers(join(data, "processes"));
  removeData(data);
  rmSync(folder, { recursive: true, force: true });
});

/** As in a terminal in a clone. This Bun is the one that is found. */
function settings(more: Record<string, string> = {}) {
  const PATH = `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}`;
  return { ...environment(more), PATH };
}

/** Types blocks one after the other in one shell; what each said. */
async function type(cwd: string, blocks: readonly string[]): Promise<string[]> {
  const script = blocks.join('\necho "--- next"\n');
  const shell = Bun.spawn(["sh", "-eu", "-c", script], {
    cwd,
    env: settings(),
    stdout: "pipe",
    stderr: "pipe",
    timeout: 90_000,
  });
  const [said, trouble] = await Promise.all([new Response(shell.stdout).text(), new Response(shell.stderr).text()]);
  expect({ code: await shell.exited, trouble }).toEqual({ code: 0, trouble: expect.any(String) });
  return said.split("--- next\n");
}

const strategySchema = z.object({ name: z.literal("dip"), version: z.string() });
const series = z.object({ items: z.array(z.object({ headN: z.number() })) });

/** What a run of the guide said: its statistics, and the list of its trades. */
function readRun(said: string) {
  const [run = "", list = ""] = said.trim().split("\n");
  const { state, bars, statistics } = z
    .object({ state: z.string(), bars: z.number(), statistics: z.object({ trades: z.number() }) })
    .parse(JSON.parse(run));
  const { items } = z.object({ items: z.array(z.unknown()) }).parse(JSON.parse(list));
  return { state, bars, counted: statistics.trades, trades: items.length };
}

test("docs/strategies.md, typed word for word, makes a strategy, tests it, changes it and checks it", async () => {
  const copy = copyRepository(folder);
  const port = String(await freePort());
  expect(start).toBe("bin/up\n");
  const up = Bun.spawn([join(copy, "bin/up")], {
    cwd: copy,
    env: settings({ R3_DATA_FOLDER: data, R3_HTTP_PORT: port }),
    stdout: "ignore",
    stderr: "ignore",
  });
  try {
    const asked = "market-data/series?instrumentId=SPX/USD.paper";
    const kept = async () => {
      const read = await getJson(`http://127.0.0.1:${port}/api/${asked}`).catch(() => ({ items: [] }));
      return series.parse(read).items[0]?.headN ?? 0;
    };
    await eventually("the year is there", async () => (await kept()) > 252, 60_000);
    const [write = "", ask = "", run = "", change = "", check = "", ...more] = typed.map((block) =>
      block.replaceAll("7300", port),
    );
    expect(more).toEqual([]);
    const said = await type(copy, [write, ask, run, change, run, check]);
    const [, first = "", firstRun = "", changed = "", secondRun = "", checked = ""] = said;
    expect(strategySchema.parse(JSON.parse(first)).version).toBe("1.0.0");
    expect(strategySchema.parse(JSON.parse(changed)).version).toBe("1.1.0");
    const [before, after] = [readRun(firstRun), readRun(secondRun)];
    for (const { state, bars, counted, trades } of [before, after])
      expect({ state, bars, counted }).toEqual({ state: "DONE", bars: 252, counted: trades });
    expect(before.trades).toBeGreaterThan(2);
    expect(after.trades).toBeGreaterThan(before.trades);
    expect(checked).toMatch(/[1-9]\d* passed, 0 failed\n$/);
  } finally {
    up.kill("SIGINT");
  }
  expect(await up.exited).toBe(130);
}, 180_000);

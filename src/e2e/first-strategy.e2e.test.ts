import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { freePort } from "#local/ports.ts";
import { endLeftovers } from "#local/process-record.ts";
import { getJson } from "#local/rest.ts";
import { ROOT } from "#local/root.ts";
import { removeData } from "#local/servers.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { copyRepository } from "#testing/copy-repository.ts";
import { openShell, type Shell, terminalEnvironment, typedBlocks } from "#testing/typed.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "first-strategy-"));
const data = mkdtempSync(join(tmpdir(), "first-strategy-data-"));
const guide = await Bun.file(resolve(ROOT, "docs/strategies.md")).text();
const [start, ...typed] = typedBlocks(guide);

const shells: Shell[] = [];
afterAll(async () => {
  for (const shell of shells) await shell.close();
  await endLeftovers(join(data, "processes"));
  removeData(data);
  rmSync(folder, { recursive: true, force: true });
});

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
    env: terminalEnvironment({ R3_DATA_FOLDER: data, R3_HTTP_PORT: port }),
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
    const shell = openShell(copy);
    shells.push(shell);
    await shell.type(write);
    const first = await shell.type(ask);
    const firstRun = await shell.type(run);
    const changed = await shell.type(change);
    const secondRun = await shell.type(run);
    const checked = await shell.type(check);
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

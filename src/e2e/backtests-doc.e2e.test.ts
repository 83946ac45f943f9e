import { afterAll, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { endLeftovers } from "#local/process-record.ts";
import { ROOT } from "#local/root.ts";
import { removeData } from "#local/servers.ts";
import { openShell, type Shell, typedBlocks } from "#testing/typed.fixture.ts";
import { runUp } from "#testing/up.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "backtests-"));
const blocks = typedBlocks(await Bun.file(resolve(ROOT, "docs/backtests.md")).text());
const shells: Shell[] = [];
afterAll(async () => {
  for (const shell of shells) await shell.close();
  await endLeftovers(join(folder, "processes"));
  removeData(folder);
});

const run = z.object({ state: z.string(), bars: z.number(), statistics: z.object({ trades: z.number() }) });
const orders = z.object({ items: z.array(z.object({ side: z.string() })) });
const sweep = z.object({
  state: z.string(),
  runs: z.number(),
  done: z.number(),
  failed: z.number(),
  leftOut: z.number(),
  leftOutReason: z.string().nullable(),
  bars: z.number().nullable(),
});
const runs = z.object({
  items: z.array(z.object({ statistics: z.object({ return: z.coerce.number(), maxDrawdown: z.number() }) })),
});

/** The answers that a block printed, one a line or one behind the other. */
const answersOf = (said: string): unknown[] =>
  said
    .replaceAll("}{", "}\n{")
    .trim()
    .split("\n")
    .map((line): unknown => JSON.parse(line));

test("docs/backtests.md, typed word for word, runs a backtest, a sweep, and one that is canceled and resumed", async () => {
  const ended = await runUp({ R3_DATA_FOLDER: folder }, ["--bars", "260"], async (api) => {
    const shell = openShell(ROOT);
    shells.push(shell);
    const [first = "", ...typed] = blocks;
    expect(first).toContain("http://127.0.0.1:7300/api");
    await shell.type(first.replace("http://127.0.0.1:7300/api", api));
    const said: unknown[][] = [];
    for (const block of typed) said.push(answersOf(await shell.type(block)));
    const [[one, list], [whole], [best, calmest], [canceled, resumed, over], ...more] = said as [
      unknown[],
      unknown[],
      unknown[],
      unknown[],
    ];
    expect(more).toEqual([]);

    const { statistics, ...done } = run.parse(one);
    expect(done).toEqual({ state: "DONE", bars: 252 });
    expect(statistics.trades).toBeGreaterThan(2);
    expect(orders.parse(list).items.map(({ side }) => side)).toEqual(["BUY", "SELL", "BUY"]);

    expect(sweep.parse(whole)).toEqual({
      state: "DONE",
      runs: 27,
      done: 27,
      failed: 0,
      leftOut: 1,
      leftOutReason: "grid.fast must be below slow.",
      bars: 252,
    });
    const returns = runs.parse(best).items.map(({ statistics: { return: gain } }) => gain);
    expect(returns).toEqual(returns.toSorted((a, b) => b - a));
    const falls = runs.parse(calmest).items.map(({ statistics: { maxDrawdown } }) => maxDrawdown);
    expect(falls).toEqual(falls.toSorted((a, b) => a - b));
    expect([returns.length, falls.length]).toEqual([3, 3]);

    const all = 38 * 51;
    const left = sweep.parse(canceled);
    expect(left).toMatchObject({ state: "CANCELED", runs: all });
    expect(left.done).toBeLessThan(all);
    expect(sweep.parse(resumed).state).toMatch(/^(QUEUED|RUNNING)$/);
    expect(sweep.parse(over)).toMatchObject({ state: "DONE", done: all, failed: 0, leftOut: 0 });
  });
  expect(ended.code).toBe(0);
}, 180_000);

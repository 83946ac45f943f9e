import { expect, test } from "bun:test";
import { z } from "zod";
import { getJson } from "#local/rest.ts";
import { openGuide } from "#testing/guide.fixture.ts";

const guide = await openGuide("strategies");

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

/** The year that the guide tests on is there. */
async function isReady(api: string): Promise<boolean> {
  const { items } = series.parse(await getJson(`${api}/market-data/series?instrumentId=SPX/USD.paper`));
  return (items[0]?.headN ?? 0) > 252;
}

test("docs/strategies.md, typed word for word, makes a strategy, tests it, changes it and checks it", async () => {
  await guide.follow({ isReady }, async ({ blocks, shell }) => {
    const [write = "", ask = "", run = "", change = "", check = "", ...more] = blocks;
    expect(more).toEqual([]);
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
  });
}, 180_000);

import { afterAll, beforeAll, expect, test } from "bun:test";

import { resolve } from "node:path";
import { freePort } from "#local/ports.ts";
import { ROOT } from "#local/root.ts";
import { SERVICES } from "#local/services.ts";
import { createWorld, type World } from "#testing/alone-world.fixture.ts";
import { openShell, type Shell, typedBlocks } from "#testing/typed.fixture.ts";

const guide = await Bun.file(resolve(ROOT, "docs/scaling.md")).text();

/** Who has which is drawn: of so many each has some. */
const SHARDS = 32;
/** Within so long the one that came second has taken its share, and the first one still has the rest. */
const SHARED_OUT_MS = 6_000;

const OF_THE_ENGINE = [
  "session-manager",
  "dashboard",
  "market-data",
  "data-collect",
  "risk-manager",
  "order-position-tracker",
  "backtest",
  "strategy-executor",
  "notification",
  "monitoring",
  "paper-exchange",
];

let world: World;
let shell: Shell;
beforeAll(async () => {
  world = await createWorld();
  shell = openShell(world.folder);
});
afterAll(async () => {
  await shell.type("kill -9 $FIRST $SECOND 2> /dev/null || true").catch(() => undefined);
  await shell.close();
  await world.close();
});

/** The shards of an answer: who leads each is told by its epoch alone. */
function epochsIn(said: string): number[] {
  return [...said.matchAll(/"epoch":(\d+)/g)].map(([, epoch]) => Number(epoch));
}

test("docs/scaling.md: two instances share the shards, one is killed, the other leads all of them", async () => {
  const [first, second] = [await freePort(), await freePort()];
  const typed = typedBlocks(guide).map((block) =>
    block
      .replaceAll("7400", String(first))
      .replaceAll("7401", String(second))
      .replaceAll("bin/bun run strategy-executor", `bun ${resolve(ROOT, "bin/run.ts")} strategy-executor`),
  );
  const [start = "", look = "", kill = "", end = ""] = typed;
  expect(typed).toHaveLength(4);
  for (const [name, value] of Object.entries({ ...world.settings, R3_PARTITIONS: String(SHARDS) }))
    await shell.type(`export ${name}='${value}'`);
  await shell.type(start);
  const before = epochsIn(await shell.type(look));
  // A person reads what it says meanwhile, and the first one has its share.
  await Bun.sleep(SHARED_OUT_MS);
  const after = epochsIn(await shell.type(kill));
  expect(before.length).toBeGreaterThanOrEqual(SHARDS);
  expect(after.slice(-SHARDS).some((epoch, n) => epoch > (before.slice(-SHARDS)[n] ?? 0))).toBeTrue();
  expect(after.slice(-SHARDS).every((epoch, n) => epoch >= (before.slice(-SHARDS)[n] ?? 0))).toBeTrue();
  await shell.type(end);
}, 120_000);

test("docs/scaling.md has what each service of the engine costs, and names no other", () => {
  const table = guide.slice(guide.indexOf("## What there is to add"), guide.indexOf("## How many"));
  const named = [...table.matchAll(/^\| ([a-z][a-z, -]*) \|/gm)].flatMap(([, names = ""]) => names.split(", "));
  const all = SERVICES.map(({ name }) => name);
  const strangers = named.filter((name) => name !== "service" && !all.includes(name));
  expect(strangers).toEqual([]);
  // One that bin/new-service has made is its owner's to describe.
  expect(OF_THE_ENGINE.filter((name) => !named.includes(name))).toEqual([]);
});

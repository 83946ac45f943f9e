import { afterEach, beforeEach, expect, test } from "bun:test";
import { type Line, layLine } from "#local/line.ts";
import { startProcess, untilReady } from "#testing/alone.fixture.ts";
import { workOf } from "#testing/alone-work.fixture.ts";
import { createWorld, type World } from "#testing/alone-world.fixture.ts";

let world: World;
let lines: Line[];

beforeEach(async () => {
  world = await createWorld();
  lines = [];
});

afterEach(async () => {
  for (const line of lines) {
    line.endSilent();
    await line.cut();
  }
  await world.close();
});

async function lay(setting: "DATABASE_URL" | "REDIS_URL"): Promise<Line> {
  const line = await layLine(world.settings[setting] ?? "");
  lines.push(line);
  world.settings[setting] = line.url;
  return line;
}

test.each(["DATABASE_URL", "REDIS_URL"] as const)(
  "a service whose connections to %s go silent works on over new ones within seconds",
  async (setting) => {
    const line = await lay(setting);
    const work = await workOf("strategy-executor");
    await work.before?.(world);
    const service = await startProcess(["strategy-executor"], { ...world.settings, R3_DATABASE_TIMEOUT_MS: "2000" });
    try {
      await untilReady(service);
      line.silence();
      // It waits for ten seconds at most.
      expect(await work.give(world, service.url, "")).toEqual(work.comesTo);
      await untilReady(service);
      expect(service.log.filter((text) => /"level":"(error|fatal)"/.test(text))).toEqual([]);
    } finally {
      expect((await service.stop()).code).toBe(0);
    }
  },
  60_000,
);

import { describe, expect, test } from "bun:test";
import { SERVICES } from "#local/services.ts";
import { startProcess, untilReady } from "#testing/alone.fixture.ts";
import { workOf } from "#testing/alone-work.fixture.ts";
import { createWorld } from "#testing/alone-world.fixture.ts";

const OF_THE_PROCESS = ["/livez", "/metrics", "/readyz"];

describe("each service alone", () => {
  test.each(SERVICES.map(({ name }) => name))(
    "%s is ready, says its own API, does its work and ends on SIGTERM",
    async (name) => {
      const work = await workOf(name);
      const world = await createWorld();
      const venue = await work.before?.(world);
      try {
        const service = await startProcess([name], world.settings);
        try {
          await untilReady(service);
          const openapi = (await (await fetch(`${service.url}/openapi.json`)).json()) as {
            paths: Record<string, unknown>;
          };
          const paths = Object.keys(openapi.paths).filter((path) => !OF_THE_PROCESS.includes(path));
          expect(paths).not.toBeEmpty();
          expect(paths.filter((path) => !path.startsWith(`/api/${name}/`))).toEqual([]);
          expect(await work.give(world, service.url, venue?.url ?? "")).toEqual(work.comesTo);
          expect(service.log.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
        } finally {
          const { code, tookMs } = await service.stop();
          expect({ code, inTime: tookMs < 10_000 }).toEqual({ code: 0, inTime: true });
        }
      } finally {
        await venue?.stop();
        await world.close();
      }
    },
  );
});

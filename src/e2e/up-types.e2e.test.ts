import { afterAll, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { endLeftovers } from "#local/process-record.ts";
import { getJson } from "#local/rest.ts";
import { removeData } from "#local/servers.ts";
import { bodyOf, strategyFolder } from "#shared/strategy-threads/thread-host.fixture.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { runUp } from "#testing/up.fixture.ts";

const data = mkdtempSync(join(tmpdir(), "up-types-"));
const strategies = await strategyFolder();

afterAll(async () => {
  await endLeftovers(join(data, "processes"));
  removeData(data);
  await strategies.remove();
});

const listed = z.object({ items: z.array(z.object({ name: z.string() })) });
/** The last step of a start, once it is done. */
const STARTED = /✔ Services, in one process/;
const FAULT = /Types of strategies: \S*odd\.ts, line 6: Expected 0 arguments, but got 1\./;

test("bin/up says the type errors of strategies, and waits for them neither with its start nor with the strategy", async () => {
  await strategies.write("odd", bodyOf("context.wantLong(5)"));
  const settings = { R3_DATA_FOLDER: data, R3_STRATEGY_FOLDERS: `strategies,${strategies.path}` };
  const { code, said } = await runUp(settings, ["--bars", "2"], async (api, saidSoFar) => {
    const { items } = listed.parse(await getJson(`${api}/strategy-executor/strategies`));
    expect(items.map(({ name }) => name)).toContain("odd");
    await eventually("the errors", () => FAULT.test(saidSoFar()), 60_000);
  });
  expect(code).toBe(0);
  expect(said.search(STARTED)).toBeGreaterThanOrEqual(0);
  expect(said.search(STARTED)).toBeLessThan(said.search(FAULT));
}, 120_000);

import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DataFolder, takeDataFolder } from "#local/data-folder.ts";
import { type Line, layLine } from "#local/line.ts";
import { removeData, startRedis } from "#local/servers.ts";
import { Supervisor } from "#local/supervisor.ts";
import { createTestDatabase, type TestDatabase } from "#shared/db/test-database.ts";
import type { FaultName } from "./demo-faults.ts";
import { strike } from "./demo-strike.ts";

/** Resolves once somebody has tried to come by a line that is cut, and was sent away. */
async function sentAway({ url }: Line): Promise<void> {
  const came = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.destroy();
    came.resolve();
  });
  server.listen(Number(new URL(url).port), "127.0.0.1");
  await came.promise;
  await new Promise((closed) => server.close(closed));
}

let data: DataFolder;
let supervisor: Supervisor;
let database: TestDatabase;
let lines: { postgres: Line; redis: Line };

beforeEach(async () => {
  data = takeDataFolder(mkdtempSync(join(tmpdir(), "strike-")), "the test");
  supervisor = new Supervisor(data, () => undefined);
  database = await createTestDatabase();
  const { redisUrl } = await startRedis(supervisor, data, { durable: false, given: {} });
  lines = { postgres: await layLine(database.url), redis: await layLine(redisUrl) };
}, 60_000);
afterEach(async () => {
  await Promise.all(Object.values(lines).map((line) => line.cut()));
  await supervisor.stop();
  await database.drop();
  removeData(data.path);
}, 60_000);

test.each([
  ["postgres", "postgres-backends-ended"],
  ["redis", "redis-wiped"],
] satisfies ["postgres" | "redis", FaultName][])(
  "a fault waits for a %s that is coming back from the one before",
  async (server, fault) => {
    const line = lines[server];
    const victims = {
      supervisor,
      folder: data.path,
      databaseUrl: lines.postgres.url,
      redisUrl: lines.redis.url,
      lines,
    };
    await line.cut();
    const struck = strike(victims, { fault, bar: 1, program: null, lastsMs: 0 });
    await sentAway(line);
    await line.mend();
    expect(await struck).toBeUndefined();
  },
);

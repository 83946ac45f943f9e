import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Db } from "#shared/db/db.ts";
import { createPostgresDb } from "#shared/db/postgres.ts";
import { hasCode } from "#shared/errors/app-error.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { type DataFolder, takeDataFolder } from "./data-folder.ts";
import { type Line, layLine } from "./line.ts";
import { postgresTrouble } from "./postgres-server.ts";
import { removeData, startPostgres } from "./servers.ts";
import { Supervisor } from "./supervisor.ts";

let data: DataFolder;
let supervisor: Supervisor;
let url: string;
let line: Line;
let dbs: Db[];

beforeEach(async () => {
  data = takeDataFolder(mkdtempSync(join(tmpdir(), "restarted-")), "the test");
  supervisor = new Supervisor(data, () => undefined);
  ({ databaseUrl: url } = await startPostgres(supervisor, data, { durable: false, given: {} }));
  line = await layLine(url);
  dbs = [];
}, 60_000);

afterEach(async () => {
  await Promise.all(dbs.map((db) => db.close()));
  line.endSilent();
  await line.cut();
  await supervisor.stop();
  removeData(data.path);
}, 60_000);

function connect(options: Parameters<typeof createPostgresDb>[1], to = url): Db {
  const db = createPostgresDb(to, options);
  dbs.push(db);
  return db;
}

/** What has become of a loop of transactions so far. */
interface Loop {
  done: number;
  /** Transactions that failed otherwise than by an outage. */
  strange: unknown[];
  ended: Promise<void>;
}

function loopOf(db: Db, stop: AbortSignal): Loop {
  const loop: Loop = { done: 0, strange: [], ended: Promise.resolve() };
  loop.ended = (async () => {
    while (!stop.aborted) {
      try {
        await db.transaction(async (tx) => {
          await tx.sql`select 1`;
          await tx.sql`select pg_sleep(0.002)`;
        });
        loop.done += 1;
      } catch (error) {
        if (!hasCode(error, "DATABASE_UNAVAILABLE")) loop.strange.push(error);
        await Bun.sleep(10);
      }
    }
  })();
  return loop;
}

/** Ends the server as an administrator in a hurry, or as the system does, and waits until it is back. */
async function restart(how: "SIGQUIT" | "SIGKILL"): Promise<void> {
  const pid = await eventually("the server runs", () => supervisor.pidOf("postgres"));
  process.kill(pid, how);
  await eventually(
    "the server is back",
    async () => {
      const now = supervisor.pidOf("postgres");
      return now !== null && now !== pid && (await postgresTrouble(url)) === null;
    },
    30_000,
  );
}

/** As many transactions as it has connections run at once, and meet in the middle. */
async function useEachConnection(db: Db, connections: number): Promise<void> {
  const inside = Array.from({ length: connections }, () => Promise.withResolvers<void>());
  await Promise.all(
    inside.map((own) =>
      db.transaction(async (tx) => {
        await tx.sql`select 1`;
        own.resolve();
        await Promise.all(inside.map(({ promise }) => promise));
      }),
    ),
  );
}

test("no transaction waits for ever, with ten connections or one, over eleven restarts of the server under load", async () => {
  const many = connect({ maxConnections: 10 });
  const single = connect({ maxConnections: 1 });
  const stop = new AbortController();
  const running = Array.from({ length: 36 }, (_, at) => loopOf(at < 24 ? many : single, stop.signal));
  const goOn = (why: string) => {
    const before = running.map(({ done }) => done);
    return eventually(why, () => running.every(({ done }, at) => done > (before[at] ?? 0)), 15_000);
  };
  await goOn("each loop begins");
  for (let count = 0; count < 11; count++) {
    await restart(count % 2 === 0 ? "SIGQUIT" : "SIGKILL");
    await goOn(`each loop goes on after restart ${count + 1}`);
  }
  stop.abort();
  await Promise.all(running.map(({ ended }) => ended));
  expect(running.flatMap(({ strange }) => strange)).toEqual([]);
  await useEachConnection(many, 10);
  await useEachConnection(single, 1);
}, 120_000);

test("a connection that goes silent costs one deadline, and the next statement has another connection", async () => {
  const db = connect({ maxConnections: 3, timeoutMs: 1_000 }, line.url);
  const sleeping = Array.from({ length: 3 }, () => db.sql`select pg_sleep(0.1)`.execute());
  await Promise.all(sleeping);
  const inside = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const held = db
    .transaction(async (tx) => {
      await tx.sql`select 1`;
      inside.resolve();
      await go.promise;
      await tx.sql`select 2`;
    })
    .catch((error: unknown) => error);
  await inside.promise;
  line.silence();
  go.resolve();
  const lost = await Promise.all([held, db.ping().catch((error: unknown) => error)]);
  expect(lost.map((error) => hasCode(error, "DATABASE_UNAVAILABLE"))).toEqual([true, true]);
  // One that is silent too would fail its ping: none is left.
  await Promise.all(Array.from({ length: 3 }, () => db.ping()));
});

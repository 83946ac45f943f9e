import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect, createServer, type Server, type Socket } from "node:net";
import { until } from "#shared/clock/until.fixture.ts";
import { createPostgresDb } from "./postgres.ts";
import { databaseError } from "./postgres-errors.ts";
import { createTestDatabase, type TestDatabase } from "./test-database.ts";

let database: TestDatabase;
let line: { url: string; silence(): void; close(): void };

beforeAll(async () => {
  database = await createTestDatabase();
  await database.db.sql`create table things (id integer primary key)`;
  await database.db.sql`insert into things values (1)`;
  line = await oneWayLine(database.url);
});

afterAll(async () => {
  line.close();
  await database.drop();
});

/** A line that, once it is silenced, lets one more packet through to the server and nothing back; nobody closes the server's end. */
async function oneWayLine(url: string) {
  const { hostname, port } = new URL(url);
  const far = new Set<Socket>();
  let isSilent = false;
  let left = 1;
  const server: Server = createServer((near) => {
    const end = connect(Number(port), hostname);
    far.add(end);
    near.on("data", (data) => {
      if (!isSilent || (left -= 1) >= 0) end.write(data);
    });
    end.on("data", (data) => isSilent || near.write(data));
    for (const socket of [near, end]) socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const through = new URL(url);
  through.host = `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  return {
    url: through.href,
    silence: () => void (isSilent = true),
    close: () => {
      for (const end of far) end.destroy();
      server.close();
    },
  };
}

test("a connection that goes silent between the parts of a statement keeps its locks no longer than a transaction may last", async () => {
  const silent = createPostgresDb(line.url, { maxConnections: 1, timeoutMs: 500, transactionTimeoutMs: 2_000 });
  const gone = silent.transaction(async (tx) => {
    await tx.sql`select id from things where id = 1 for update`;
    line.silence();
    // New to this connection: the server is asked what it takes, and waits for the rest.
    await tx.sql`select ${1}::integer + ${2}::integer as never_sent_whole`;
  });
  expect(await gone.catch((error: unknown) => error)).toMatchObject({ code: "DATABASE_UNAVAILABLE", kind: "outage" });
  const { sql } = database.db;
  await until(async () => {
    const rows = await sql`select id from things where id = 1 for update skip locked`;
    return rows.length === 1;
  }, 5_000);
  await silent.close();
});

test("a server that knows no such limit is named as too old", () => {
  const told = Object.assign(new Error('unrecognized configuration parameter "transaction_timeout"'), {
    code: "42704",
  });
  expect(databaseError(told)).toMatchObject({
    code: "SETTINGS_INVALID",
    message: "The Postgres server is older than 17: use version 17 or newer.",
  });
});

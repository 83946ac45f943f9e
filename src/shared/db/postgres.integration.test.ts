import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import { AppError, hasCode, messageOf } from "#shared/errors/app-error.ts";
import type { Tx } from "./db.ts";
import { createPostgresDb, type PostgresOptions } from "./postgres.ts";
import { createTestDatabase, type TestDatabase } from "./test-database.ts";
import { transactWithin } from "./transact-within.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.db.sql`create table things (id integer primary key, value bigint, amount numeric)`;
});

afterAll(async () => {
  await database.drop();
});

async function thrownBy(run: () => Promise<unknown>): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return undefined;
}

async function idsFrom(first: number): Promise<number[]> {
  const rows = await database.db.sql<{ id: number }[]>`
    select id from things where id between ${first} and ${first + 9} order by id`;
  return rows.map((row) => row.id);
}

/** A database of one connection, which a transaction holds until it is released. */
async function held(options: PostgresOptions = {}) {
  const single = createPostgresDb(database.url, { ...options, maxConnections: 1 });
  const [inside, free] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding = single.transaction(async (tx) => {
    await tx.sql`select 1`;
    inside.resolve();
    await free.promise;
  });
  await inside.promise;
  const release = (): Promise<void> => {
    free.resolve();
    return holding;
  };
  return { single, release };
}

describe("createPostgresDb", () => {
  test("gives int8 as number and numeric as text", async () => {
    const rows = await database.db
      .sql`select 9007199254740991::bigint as big, 1.10::numeric as amount, array[1::bigint] as list`;
    expect(rows[0]).toEqual({ big: 9007199254740991, amount: "1.10", list: [1] });
  });

  test("arrays go there and back, whatever they hold", async () => {
    const texts = ['a"b', "c\\d", "", "NULL", "{x,y}", " e ", "f\ng", null];
    const ids = [crypto.randomUUID()];
    const [row] = await database.db.sql`
      select ${texts}::text[] as texts, ${[1, -2, null]}::int[] as ints, ${["1.10", "NaN"]}::numeric[] as amounts,
        ${[9007199254740991]}::bigint[] as longs, ${[0.1, -1e300]}::float8[] as floats, ${ids}::uuid[] as ids, ${[]}::text[] as none`;
    expect(row).toEqual({
      texts,
      ints: [1, -2, null],
      amounts: ["1.10", "NaN"],
      longs: [9007199254740991],
      floats: [0.1, -1e300],
      ids,
      none: [],
    });
  });

  test("a statement that takes too long, or waits for a lock for too long, fails and costs no connection", async () => {
    const hasty = createPostgresDb(database.url, { maxConnections: 1, timeoutMs: 2_000 });
    const [before] = await hasty.sql`select pg_backend_pid() as pid`;
    const slow = await thrownBy(() => hasty.sql`select pg_sleep(10)`);
    const locked = await database.db.transaction(async (tx) => {
      await tx.sql`lock table things`;
      return await thrownBy(() => hasty.sql`select * from things`);
    });
    expect([slow, locked].map((error) => hasCode(error, "DATABASE_UNAVAILABLE") && error.kind)).toEqual([
      "transient",
      "transient",
    ]);
    const [after] = await hasty.sql`select pg_backend_pid() as pid`;
    expect(after).toEqual(before as object);
    await hasty.close();
  });

  test("commits what the body wrote, also statements that it did not wait for", async () => {
    await database.db.transaction(async (tx) => {
      await tx.sql`insert into things values (10, 1, 1.5)`;
      void tx.sql`insert into things values (11, ${2}, ${"2.50"})`.execute();
    });
    expect(await idsFrom(10)).toEqual([10, 11]);
  });

  test("rolls back when the body throws, and throws what it threw", async () => {
    const error = await thrownBy(() =>
      database.db.transaction(async (tx) => {
        await tx.sql`insert into things values (20, 1, 1)`;
        throw new Error("no");
      }),
    );
    expect(String(error)).toBe("Error: no");
    expect(await idsFrom(20)).toEqual([]);
  });

  test("fails and rolls back when a statement failed that the body did not wait for", async () => {
    const error = await thrownBy(() =>
      database.db.transaction(async (tx) => {
        await tx.sql`insert into things values (30, 1, 1)`;
        void tx.sql`insert into things values (30, 1, 1)`.execute();
      }),
    );
    expect(String(error)).toContain("duplicate key");
    expect(await idsFrom(30)).toEqual([]);
  });
});

describe("a transaction", () => {
  test("rolls back when the body swallowed the failure of a statement", async () => {
    const error = await thrownBy(() =>
      database.db.transaction(async (tx) => {
        await tx.sql`insert into things values (40, 1, 1)`;
        await tx.sql`select 1 / ${0}::int`.catch(() => undefined);
      }),
    );
    expect(String(error)).toContain("division by zero");
    expect(await idsFrom(40)).toEqual([]);
  });

  test("runs the hooks before the commit inside, those after it outside, and none after a rollback", async () => {
    const seen: string[] = [];
    const key = Symbol("hook");
    await database.db.transaction(async (tx) => {
      for (let index = 0; index < 2; index++) {
        tx.beforeCommit(key, async () => {
          await tx.sql`insert into things values (50, 1, 1)`;
          seen.push("before");
        });
      }
      tx.afterCommit(() => seen.push("after"));
      seen.push("body");
    });
    await thrownBy(() =>
      database.db.transaction(async (tx) => {
        tx.afterCommit(() => seen.push("never"));
        throw new Error("no");
      }),
    );
    expect(seen).toEqual(["body", "before", "after"]);
    expect(await idsFrom(50)).toEqual([50]);
  });

  test("refuses statements of a transaction that is over", async () => {
    let kept: Tx | undefined;
    await database.db.transaction(async (tx) => {
      kept = tx;
      await tx.sql`select 1`;
    });
    const error = await thrownBy(async () =>
      kept === undefined ? undefined : kept.sql`insert into things values (60, 1, 1)`,
    );
    expect(hasCode(error, "TRANSACTION_ENDED")).toBe(true);
    expect(await idsFrom(60)).toEqual([]);
  });

  test("a body whose connection the server has ended writes nothing when it goes on", async () => {
    const slept = Promise.withResolvers<void>();
    const late = Promise.withResolvers<unknown>();
    const running = thrownBy(() =>
      database.db.transaction(async (tx) => {
        await tx.sql`insert into things values (70, 1, 1)`;
        const [row] = await tx.sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
        await database.db.sql`select pg_terminate_backend(${row?.pid ?? 0})`;
        await slept.promise;
        late.resolve(await thrownBy(async () => tx.sql`insert into things values (71, 1, 1)`));
      }),
    );
    expect(hasCode(await running, "DATABASE_UNAVAILABLE")).toBe(true);
    // The pool's connections are used again before the body goes on.
    await Promise.all(Array.from({ length: 20 }, async () => database.db.sql`select pg_sleep(0.01)`));
    slept.resolve();
    expect(hasCode(await late.promise, "TRANSACTION_ENDED")).toBe(true);
    expect(await idsFrom(70)).toEqual([]);
  });
});

describe("a transaction with a deadline", () => {
  test("whose connection the server has ended waits for the end of its body, so that it never runs twice at once", async () => {
    const [cut, slept] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const ended: string[] = [];
    const overdue = () => new AppError("DEADLINE_PASSED", "transient", "It took too long.");
    const within = { db: database.db, clock: systemClock, deadlineMs: 60_000, overdue };
    const running = thrownBy(() =>
      transactWithin(within, async (tx) => {
        const [row] = await tx.sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
        await database.db.sql`select pg_terminate_backend(${row?.pid ?? 0})`;
        // It has failed as soon as the connection's end is heard of.
        await until(async () => (await thrownBy(() => tx.sql`select 1`)) !== undefined);
        cut.resolve();
        await slept.promise;
        ended.push("body");
      }),
    ).finally(() => ended.push("transaction"));
    await cut.promise;
    await Promise.all(Array.from({ length: 5 }, async () => database.db.sql`select 1`));
    slept.resolve();
    expect(hasCode(await running, "DATABASE_UNAVAILABLE")).toBe(true);
    expect(ended).toEqual(["body", "transaction"]);
  });
});

describe("the pool", () => {
  test("a server that is away is an outage, for statements and for transactions", async () => {
    const away = createPostgresDb("postgres://nobody:x@127.0.0.1:1/none", { timeoutMs: 500 });
    const errors = [
      await thrownBy(() => away.ping()),
      await thrownBy(() => away.transaction(async (tx) => tx.sql`select 1`)),
    ];
    for (const error of errors) expect(hasCode(error, "DATABASE_UNAVAILABLE")).toBe(true);
    await away.close();
  });

  test("who waits for a connection when the database is closed here, or asks for one later, is told", async () => {
    const single = createPostgresDb(database.url, { maxConnections: 1 });
    const inside = Promise.withResolvers<void>();
    const holding = single.transaction(async (tx) => {
      await tx.sql`select 1`;
      inside.resolve();
      await tx.sql`select pg_sleep(60)`;
    });
    await inside.promise;
    const waiting = thrownBy(() => single.transaction(async (tx) => tx.sql`select 1`));
    const held = thrownBy(() => holding);
    await single.close();
    expect(hasCode(await waiting, "DATABASE_UNAVAILABLE")).toBe(true);
    expect(hasCode(await held, "DATABASE_UNAVAILABLE")).toBe(true);
    const late = thrownBy(() => single.transaction(async (tx) => tx.sql`select 1`));
    expect(hasCode(await late, "DATABASE_UNAVAILABLE")).toBe(true);
  });

  test("who is urgent goes before all that wait, and the others keep their order", async () => {
    const { single, release } = await held();
    const done: string[] = [];
    const note = (name: string) => () => void done.push(name);
    const waiting = [
      single.transaction(async (tx) => tx.sql`select 1`).then(note("first")),
      single.transaction(async (tx) => tx.sql`select 1`).then(note("second")),
      single.urgentSql`select 1`.then(note("urgent")),
      single.transaction(async (tx) => tx.sql`select 1`, { urgent: true }).then(note("urgent too")),
      single.ping().then(note("ping")),
    ];
    await Promise.all([release(), ...waiting]);
    expect(done.slice(0, 3).toSorted()).toEqual(["ping", "urgent", "urgent too"]);
    expect(done.slice(3)).toEqual(["first", "second"]);
    await single.close();
  });

  test("who waits for a connection for too long is told, and one too many at once", async () => {
    const { single, release } = await held({ timeoutMs: 500, idleTimeoutMs: 0 });
    const waiting = Array.from({ length: 201 }, () => thrownBy(() => single.ping()));
    const last = await waiting[200];
    expect(String(last)).toContain("200 statements wait for the 1 connections to the database already");
    expect(String(await waiting[0])).toContain("None of the 1 connections to the database was free in 500 ms");
    await release();
    await single.close();
  });

  test("a transaction that is taken back fails with the reason at once, whatever it waits for, and sends nothing more", async () => {
    const { db } = database;
    await db.sql`insert into things values (90, 0, 0)`;
    const begun = Promise.withResolvers<Tx>();
    const late = Promise.withResolvers<unknown>();
    const taken = thrownBy(() =>
      db.transaction(async (tx) => {
        await tx.sql`update things set value = 1 where id = 90`;
        begun.resolve(tx);
        await tx.sql`select pg_sleep(60)`.catch(() => undefined);
        late.resolve(await thrownBy(() => tx.sql`update things set value = 2 where id = 90`));
      }),
    );
    (await begun.promise).takeBack(new Error("taken back"));
    expect(String(await taken)).toContain("taken back");
    expect(hasCode(await late.promise, "TRANSACTION_ENDED")).toBe(true);
    // Its lock is gone with its connection.
    await db.sql`update things set value = 3 where id = 90`;
  });

  test("many transactions at once share the pool", async () => {
    await database.db.sql`insert into things values (80, 0, 0)`;
    await Promise.all(
      Array.from({ length: 100 }, () =>
        database.db.transaction(async (tx) => {
          await tx.sql`update things set value = value + 1 where id = 80`;
        }),
      ),
    );
    const [row] = await database.db.sql`select value from things where id = 80`;
    expect(row?.["value"]).toBe(100);
  });
});

test("a connection that prepared a statement before its table changed is thrown away at its first failure", async () => {
  const pool = createPostgresDb(database.url, { maxConnections: 2 });
  const { sql } = database.db;
  await sql`create table changing (id integer)`;
  await sql`insert into changing values (1)`;
  await sql`create function inner_rows(p integer) returns setof changing language plpgsql as
    'begin return query select * from changing where id = p; end'`;
  await sql`create function changing_rows(p integer) returns setof changing language plpgsql as
    'begin return query select * from inner_rows(p); end'`;
  // As our functions are called: through what was prepared for the rows of then.
  const read = () => pool.transaction((tx) => tx.sql`select * from changing_rows(${1})`);
  const readPlain = () => pool.sql`select * from changing where id = ${1}`;
  for (let times = 0; times < 4; times += 1) await Promise.all([read(), read(), readPlain(), readPlain()]);
  await sql`alter table changing add column more text`;
  let failures = 0;
  const outcomes: string[] = [];
  for (let times = 0; times < 20; times += 1) {
    for (const one of [read, readPlain]) {
      const failure = await thrownBy(one);
      if (failure === undefined) continue;
      failures += 1;
      outcomes.push(hasCode(failure, "DATABASE_UNAVAILABLE") ? failure.kind : messageOf(failure));
    }
  }
  expect(new Set(outcomes)).toEqual(new Set(["transient"]));
  expect(failures).toBeLessThanOrEqual(2);
  await pool.close();
});

test("a statement whose types do not fit is no matter of its connection", async () => {
  const { sql } = database.db;
  await sql`create table typed (id integer)`;
  const failure = await thrownBy(() => database.db.sql`insert into typed (id) select ${"x"}::text`);
  expect(failure).not.toBeInstanceOf(AppError);
  expect(failure).toMatchObject({ code: "42804" });
});

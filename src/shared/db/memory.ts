import { AppError } from "#shared/errors/app-error.ts";
import type { Db, Tx } from "./db.ts";

const CHANGES = Symbol("changes that the commit makes");

/**
 * Makes a change when the transaction commits, before those who wait for the commit go on. It is forgotten when the
 * transaction rolls back.
 */
export function changeAtCommit(tx: Tx, change: () => void): void {
  const changes = (tx.scope.get(CHANGES) as (() => void)[] | undefined) ?? [];
  tx.scope.set(CHANGES, changes);
  changes.push(change);
}

function noSql(): never {
  throw new AppError("INTERNAL", "permanent", "The database in memory has no SQL: its users keep their own state.");
}

/** Transactions one after the other, for adapters that keep their state in memory. No SQL, no time limits. */
export function createMemoryDb(): Db {
  let last: Promise<unknown> = Promise.resolve();

  async function run<T>(body: (tx: Tx) => Promise<T>): Promise<T> {
    const before = new Map<symbol, () => Promise<void>>();
    const after: (() => void)[] = [];
    const takenBack = Promise.withResolvers<never>();
    const tx: Tx = {
      sql: noSql as unknown as Tx["sql"],
      scope: new Map(),
      beforeCommit: (key, hook) => void (before.has(key) || before.set(key, hook)),
      afterCommit: (hook) => void after.push(hook),
      takeBack: (reason) => takenBack.reject(reason),
    };
    // Of a body that was taken back nothing is awaited any more, and nothing of it is committed.
    const result = await Promise.race([body(tx), takenBack.promise]);
    for (const hook of before.values()) await hook();
    for (const change of (tx.scope.get(CHANGES) as (() => void)[] | undefined) ?? []) change();
    for (const hook of after) hook();
    return result;
  }

  return {
    sql: noSql as unknown as Db["sql"],
    urgentSql: noSql as unknown as Db["sql"],
    transaction(body) {
      const own = last.then(() => run(body));
      last = own.catch(() => undefined);
      return own;
    },
    ping: () => Promise.resolve(),
    close: async () => {
      await last;
    },
  };
}

import type postgres from "postgres";
import { AppError } from "#shared/errors/app-error.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionPool } from "./connection-pool.ts";
import type { TransactionOptions, Tx } from "./db.ts";
import { databaseError } from "./postgres-errors.ts";
import { type DriverQuery, hookedSql } from "./postgres-query.ts";

function ended(): AppError {
  return new AppError("TRANSACTION_ENDED", "transient", "The transaction is over: this statement was not sent.");
}

function beginText(options: TransactionOptions): string {
  const isolation = options.isolation === undefined ? "" : ` isolation level ${options.isolation}`;
  return `begin${isolation}${options.readOnly === true ? " read only" : ""}`;
}

/** What a transaction keeps while it runs. */
class Guard {
  over = false;
  /** The first statement that failed: after it the server only rolls back, whatever the body made of it. */
  failure: unknown = undefined;
  failed = false;

  readonly send = (query: DriverQuery, byConnection: (query: DriverQuery) => void): void => {
    if (this.over) throw ended();
    byConnection(query);
  };

  readonly onFailure = (error: unknown): void => {
    if (this.failed) return;
    this.failed = true;
    this.failure = error;
  };
}

function quiet(statement: Promise<unknown>): void {
  statement.catch(() => {
    // The guard has it: the transaction fails with it.
  });
}

/** Statements of a body may be left without an await: their failure is the transaction's, never an unhandled rejection. */
function transactionSql(connection: Connection, guard: Guard): postgres.TransactionSql {
  const hooked = hookedSql(connection.sql, guard, {
    savepoint: () => {
      throw new AppError("INTERNAL", "permanent", "Savepoints are not supported: use a transaction of its own.");
    },
  });
  return hooked as unknown as postgres.TransactionSql;
}

/**
 * Runs a body in a transaction on one connection. BEGIN is sent with the body's first statement, and COMMIT with the
 * statements that the body did not wait for: a transaction costs one round trip of its own. When the connection ends, or
 * leaves a statement unanswered for too long, the transaction fails at once and its body can send nothing more.
 */
export async function runTransaction<T>(
  pool: ConnectionPool,
  body: (tx: Tx) => Promise<T>,
  options: TransactionOptions,
): Promise<T> {
  const connection = await new Promise<Connection>((take, refuse) => pool.lend(take, refuse, options.urgent));
  const guard = new Guard();
  const closing = Promise.withResolvers<never>();
  quiet(closing.promise);
  connection.onEnd = (reason) => {
    guard.over = true;
    closing.reject(guard.failed ? guard.failure : reason);
  };
  const before = new Map<symbol, () => Promise<void>>();
  const after: (() => void)[] = [];
  const sql = transactionSql(connection, guard);
  quiet(sql.unsafe(beginText(options)).execute());
  const end = (text: "commit" | "rollback"): Promise<postgres.RowList<postgres.Row[]>> => {
    // From here on the body sends nothing more: behind the commit it would stand outside of the transaction.
    guard.over = true;
    return connection.isOver ? closing.promise : connection.sql.unsafe(text).execute();
  };
  const tx: Tx = {
    sql,
    scope: new Map(),
    beforeCommit: (key, run) => void (before.has(key) || before.set(key, run)),
    afterCommit: (run) => void after.push(run),
    takeBack: (reason) => {
      if (guard.over) return;
      guard.over = true;
      closing.reject(reason);
      // A rollback would wait behind a statement that runs on, and hold its locks meanwhile.
      connection.abandon(reason);
    },
  };
  try {
    const result = await Promise.race([finish(() => bodyThenHooks(tx, body, before), guard, end), closing.promise]);
    for (const run of after) run();
    return result;
  } finally {
    guard.over = true;
    connection.onEnd = null;
    pool.giveBack(connection, guard.failure);
  }
}

async function bodyThenHooks<T>(
  tx: Tx,
  body: (tx: Tx) => Promise<T>,
  before: ReadonlyMap<symbol, () => Promise<void>>,
): Promise<T> {
  const result = await body(tx);
  for (const run of before.values()) await run();
  return result;
}

async function finish<T>(
  run: () => Promise<T>,
  guard: Guard,
  end: (text: "commit" | "rollback") => Promise<postgres.RowList<postgres.Row[]>>,
): Promise<T> {
  let result: T;
  try {
    result = await run();
    if (guard.failed) throw guard.failure;
  } catch (error) {
    await end("rollback").catch(() => undefined);
    // A later statement of a failed transaction only says that it failed: the first failure is the cause.
    throw guard.failed && !(error instanceof AppError) ? guard.failure : error;
  }
  const answer = await end("commit").catch((error: unknown) => {
    throw databaseError(error);
  });
  // A statement that the body did not wait for has failed: the server has answered the commit with a rollback.
  if (guard.failed) throw guard.failure;
  if (answer.command !== "COMMIT") throw new AppError("INTERNAL", "transient", "The database rolled back a commit.");
  return result;
}

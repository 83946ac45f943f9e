import type postgres from "postgres";

/** A tagged template that runs one statement. Pass it on; never open a connection with it. */
export type Sql = postgres.Sql | postgres.TransactionSql;

/**
 * One transaction. `sql` throws TRANSACTION_ENDED once the transaction is over or its connection is not the one it began
 * on, so that a body that wakes up late writes nothing. Await nothing in it but its own statements: no HTTP, no venue.
 */
export interface Tx {
  readonly sql: postgres.TransactionSql;
  /** Runs when the body is done, last in the transaction, in order of registration. `key` registers once. */
  beforeCommit(key: symbol, run: () => Promise<void>): void;
  /** Runs after a successful commit; must not throw. Never runs after a rollback. */
  afterCommit(run: () => void): void;
  /**
   * Fails the transaction with this reason and takes it back with its connection, also where a statement of it is under way; the
   * body sends nothing more. Does nothing once the commit is sent.
   */
  takeBack(reason: unknown): void;
  /** State that helpers keep for the length of this transaction, by a symbol of their own. */
  readonly scope: Map<symbol, unknown>;
}

export interface TransactionOptions {
  isolation?: "read committed" | "repeatable read";
  readOnly?: boolean;
  /** Goes before all that wait for a connection and are not. For what others wait for: leases, readiness, bars. */
  urgent?: boolean;
}

/** The database. Failures to reach it are AppErrors of kind outage (DATABASE_UNAVAILABLE). */
export interface Db {
  readonly sql: postgres.Sql;
  /** The same, before all that wait for a connection and are not urgent. For what others wait for: leases, readiness. */
  readonly urgentSql: postgres.Sql;
  transaction<T>(body: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Whether it answered the last time it was asked. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

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
  /** State that helpers keep for the length of this transaction, by a symbol of their own. */
  readonly scope: Map<symbol, unknown>;
}

/** Set in the scope of a transaction that publishes or enqueues: others go on from its commit. */
export const TELLS = Symbol("what this transaction commits is told to others");

export interface TransactionOptions {
  isolation?: "read committed" | "repeatable read";
  readOnly?: boolean;
  /**
   * False: the commit does not wait for the disk. A crash of the server may take it back whole, together with every such
   * commit behind it; a later commit that waits brings it to the disk too. Only for what can be made again. Default true.
   */
  durable?: boolean;
}

/** The database. Failures to reach it are AppErrors of kind outage (DATABASE_UNAVAILABLE). */
export interface Db {
  readonly sql: postgres.Sql;
  transaction<T>(body: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Whether it answered the last time it was asked. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

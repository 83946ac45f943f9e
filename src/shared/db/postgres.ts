import postgres from "postgres";
import { Connection } from "./connection.ts";
import { ConnectionPool } from "./connection-pool.ts";
import type { Db } from "./db.ts";
import { driverOptions } from "./driver-options.ts";
import { databaseError } from "./postgres-errors.ts";
import { type DriverQuery, hookedSql, onEnd } from "./postgres-query.ts";
import { runTransaction } from "./postgres-transaction.ts";

export interface PostgresOptions {
  /** Connections at most. Default 10. */
  maxConnections?: number;
  /** Shown in pg_stat_activity. Default r3edge. */
  applicationName?: string;
  /** How long a connection is waited for, and each answer, in milliseconds. Default 5,000. */
  timeoutMs?: number;
  /**
   * How long the server lets a transaction last, in milliseconds. Default 15,000. It is the only limit that ends one whose client has
   * gone silent between the parts of a statement: the server waits for the rest then, and holds its locks.
   */
  transactionTimeoutMs?: number;
  /** How long the server lets a transaction idle, and a statement wait for a lock; 0: for ever. Default: 0.8 of `timeoutMs`. */
  idleTimeoutMs?: number;
}

const TIMEOUT_MS = 5_000;
const TRANSACTION_TIMEOUT_MS = 15_000;
/** The server gives up first, so that a statement that is only slow costs no connection. */
const LOCK_SHARE = 0.8;
const STATEMENT_SHARE = 0.9;

function optionsOf({ applicationName = "r3edge", timeoutMs = TIMEOUT_MS, idleTimeoutMs }: PostgresOptions) {
  const idleMs = idleTimeoutMs ?? Math.ceil(timeoutMs * LOCK_SHARE);
  return driverOptions({ applicationName, connectTimeoutMs: timeoutMs, idleTimeoutMs: idleMs });
}

/**
 * The driver's own pool, for what is done once and by hand: migrations, and databases that are made and dropped. Its
 * statements have no deadline; who waits for a reservation while the server ends may wait for ever.
 */
export function createPool(url: string, options: PostgresOptions = {}): postgres.Sql {
  // Without it the driver drops a reservation that a new connection is made for (3.4.9).
  const pool = postgres(url, { ...optionsOf(options), fetch_types: true, max: options.maxConnections ?? 10 });
  return pool as unknown as postgres.Sql;
}

/** Sends each statement on a connection of its own, for as long as it takes. */
function pooledSql(tag: postgres.Sql, pool: ConnectionPool, isUrgent: boolean): postgres.Sql {
  const send = (query: DriverQuery): void =>
    pool.lend(
      (connection) => {
        onEnd(query, (error) => pool.giveBack(connection, databaseError(error)));
        connection.send(query);
      },
      (error) => query.reject(error),
      isUrgent,
    );
  return hookedSql(tag, { send });
}

/** The database. Nothing is connected before the first statement. */
export function createPostgresDb(url: string, options: PostgresOptions = {}): Db {
  const { maxConnections = 10, timeoutMs = TIMEOUT_MS } = options;
  const own = optionsOf(options);
  const limits = {
    ...own.connection,
    statement_timeout: Math.ceil(timeoutMs * STATEMENT_SHARE),
    transaction_timeout: options.transactionTimeoutMs ?? TRANSACTION_TIMEOUT_MS,
  };
  const connect = () => new Connection(url, { ...own, connection: limits }, timeoutMs);
  const pool = new ConnectionPool(connect, { maxConnections, deadlineMs: timeoutMs });
  // It makes statements and never connects.
  const tag = postgres(url, { ...own, max: 1 }) as unknown as postgres.Sql;
  const urgentSql = pooledSql(tag, pool, true);
  return {
    sql: pooledSql(tag, pool, false),
    urgentSql,
    transaction: (body, transactionOptions = {}) => runTransaction(pool, body, transactionOptions),
    async ping() {
      await urgentSql`select 1`;
    },
    close: () => pool.close(),
  };
}

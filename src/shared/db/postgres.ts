import postgres from "postgres";
import { AppError } from "#shared/errors/app-error.ts";
import type { Db } from "./db.ts";
import { hookedSql } from "./postgres-query.ts";
import { runTransaction } from "./postgres-transaction.ts";

export interface PostgresOptions {
  /** Connections at most. Default 10. */
  maxConnections?: number;
  /** Shown in pg_stat_activity. */
  applicationName?: string;
  /** How long to wait for a connection. Default 5,000. */
  connectTimeoutMs?: number;
  /** How long the server lets a transaction idle, and a statement wait for a lock. Default 4,000. */
  idleTimeoutMs?: number;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`The database gave ${text}, which is no safe integer.`);
  return value;
}

/** The driver's pool, with int8 as number (numeric stays a string) and the time limits that keep a frozen process from stopping others. */
export function createPool(url: string, options: PostgresOptions = {}): postgres.Sql {
  const idleTimeoutMs = options.idleTimeoutMs ?? 4_000;
  const pool = postgres(url, {
    max: options.maxConnections ?? 10,
    connect_timeout: (options.connectTimeoutMs ?? 5_000) / 1_000,
    keep_alive: 10,
    max_lifetime: null,
    backoff: (retries: number) => Math.min(2 ** retries / 50, 1),
    onnotice: () => {
      // Notices are for people at a prompt.
    },
    types: {
      int8: { to: 20, from: [20], parse: wholeNumber, serialize: (value: number | bigint) => value.toString() },
    },
    connection: {
      application_name: options.applicationName ?? "r3edge",
      idle_in_transaction_session_timeout: idleTimeoutMs,
      lock_timeout: idleTimeoutMs,
    },
  });
  return pool as unknown as postgres.Sql;
}

/** The database over a pool of postgres.js. Nothing is connected before the first statement. */
export function createPostgresDb(url: string, options: PostgresOptions = {}): Db {
  const pool = createPool(url, options);
  const sql = hookedSql(pool, {});
  const closed = Promise.withResolvers<never>();
  closed.promise.catch(() => {
    // Only those who wait for a connection in this moment hear it.
  });
  return {
    sql,
    transaction: (body, transactionOptions = {}) =>
      runTransaction({ pool, closed: closed.promise }, body, transactionOptions),
    async ping() {
      await sql`select 1`;
    },
    async close() {
      // A pool that waits to connect again only ends by the timeout.
      await pool.end({ timeout: 2 });
      closed.reject(new AppError("DATABASE_UNAVAILABLE", "outage", "The database was closed here."));
    },
  };
}

import type postgres from "postgres";
import { arrayTypes } from "./array-types.ts";

export interface DriverOptions {
  /** Shown in pg_stat_activity. */
  applicationName: string;
  /** How long to wait for a connection, in milliseconds. */
  connectTimeoutMs: number;
  /** How long the server lets a transaction idle, and a statement wait for a lock, in milliseconds. */
  idleTimeoutMs: number;
}

/**
 * How often the server looks whether the client of a running statement is still there, in milliseconds. For so long others
 * may wait for the locks of a transaction that was given up.
 */
const CLIENT_CHECK_MS = 100;

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`The database gave ${text}, which is no safe integer.`);
  return value;
}

/** The driver's options: int8 as number, numeric as text, and the limits that keep a frozen process from stopping others. */
export function driverOptions(options: DriverOptions) {
  return {
    connect_timeout: options.connectTimeoutMs / 1_000,
    keep_alive: 10,
    max_lifetime: null,
    fetch_types: false,
    onnotice: () => {
      // Notices are for people at a prompt.
    },
    types: {
      int8: { to: 20, from: [20], parse: wholeNumber, serialize: (value: number | bigint) => value.toString() },
      ...arrayTypes({ int4: Number, int8: wholeNumber, float8: Number }),
    },
    connection: {
      application_name: options.applicationName,
      idle_in_transaction_session_timeout: options.idleTimeoutMs,
      lock_timeout: options.idleTimeoutMs,
      client_connection_check_interval: CLIENT_CHECK_MS,
    },
  } satisfies postgres.Options<Record<string, postgres.PostgresType>>;
}

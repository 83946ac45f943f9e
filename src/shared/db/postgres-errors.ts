import { AppError } from "#shared/errors/app-error.ts";

/** Codes of the driver and of the socket that say: the server could not be reached, or the connection is gone. */
const CONNECTION_CODES = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ENOENT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "ERR_SOCKET_CLOSED",
]);

/** SQLSTATEs of a server that is away, full, read-only, or refuses us, and of a transaction that it has ended. */
const OUTAGE_STATES = new Set([
  "57P01",
  "57P02",
  "57P03",
  "57P05",
  "25006",
  "53100",
  "53200",
  "53300",
  "25P03",
  "25P04",
  "28000",
  "28P01",
  "3D000",
]);

/** SQLSTATEs after which the same transaction may simply be tried again: serialization, deadlock, lock timeout. */
const TRANSIENT_STATES = new Set(["40001", "40P01", "55P03", "57014"]);

/**
 * What a connection says, for as long as it lives, of a statement whose tables have changed since it was prepared. Its codes
 * stand for other faults too, which no other connection passes.
 */
const OUTDATED = [
  "cached plan must not change result type",
  "structure of query does not match function result type",
  "prepared statement",
];
const OUTDATED_STATES = new Set(["0A000", "26000", "42804"]);

function saysOutdated(code: string, text: string): boolean {
  return OUTDATED_STATES.has(code) && OUTDATED.some((words) => text.startsWith(words));
}

/** Whether another connection may do what this one does not any more. */
export function isOutdated(error: unknown): boolean {
  return error instanceof AppError && OUTDATED_STATES.has(String(error.details?.["code"]));
}

/** What a server says of a setting that its version does not have. */
const UNKNOWN_SETTING = "42704";

/** What our own SQL functions raise when the caller's epoch is not the present one. */
const FENCED_STATE = "R3001";

/** What they raise when a row is not as the caller knew it. */
const CONFLICT_STATE = "R3002";

function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

/**
 * Turns what the driver throws into an AppError where it tells of the server's state. Kind outage: the server is away. Kind
 * transient: trying again will do. Anything else (a constraint, a fault in the SQL) comes back as it is.
 */
export function databaseError(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const code = codeOf(error);
  const text = error instanceof Error && error.message !== "" ? error.message : code;
  if (code === UNKNOWN_SETTING && text.includes("transaction_timeout")) {
    return new AppError(
      "SETTINGS_INVALID",
      "permanent",
      "The Postgres server is older than 17: use version 17 or newer.",
      {
        cause: error,
      },
    );
  }
  if (CONNECTION_CODES.has(code) || OUTAGE_STATES.has(code) || code.startsWith("08")) {
    return new AppError("DATABASE_UNAVAILABLE", "outage", `The database is not available: ${text}.`, {
      cause: error,
      details: { code },
    });
  }
  if (code === FENCED_STATE) {
    return new AppError("FENCED", "permanent", `An old owner tried to write: ${text}.`, { cause: error });
  }
  if (code === CONFLICT_STATE) return new AppError("CONFLICT", "transient", text, { cause: error });
  if (TRANSIENT_STATES.has(code) || saysOutdated(code, text)) {
    return new AppError("DATABASE_UNAVAILABLE", "transient", `The database asks to try again: ${text}.`, {
      cause: error,
      details: { code },
    });
  }
  return error;
}

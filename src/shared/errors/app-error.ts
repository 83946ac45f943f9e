/**
 * What a failure asks of whoever sees it. transient: try again soon. outage: a shared dependency is away; wait for it.
 * permanent: trying again will not help.
 */
export type ErrorKind = "transient" | "outage" | "permanent";

/** Every code a failure of this engine may have. Expected outcomes are values and have no code here. */
export type ErrorCode =
  | "DATABASE_UNAVAILABLE"
  | "BROKER_UNAVAILABLE"
  | "VENUE_UNAVAILABLE"
  | "VENUE_BANNED"
  | "VENUE_REFUSED"
  | "VENUE_ANSWER_LOST"
  | "SERVICE_UNAVAILABLE"
  | "FENCED"
  | "TRANSACTION_ENDED"
  | "CONFLICT"
  | "NOT_YET"
  | "NOT_FOUND"
  | "INVALID_INPUT"
  | "PRECONDITION_FAILED"
  | "PRECONDITION_REQUIRED"
  | "SETTINGS_INVALID"
  | "PORT_TAKEN"
  | "STRATEGY_FAILED"
  | "THREAD_ENDED"
  | "UNDECODABLE"
  | "DEADLINE_PASSED"
  | "INTERNAL";

export interface ErrorOptions {
  cause?: unknown;
  /** Facts for the log and for problem details. Never a secret. */
  details?: Record<string, unknown>;
}

/** The one error type. The message is a sentence for a person: what is wrong and what to do. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, kind: ErrorKind, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.kind = kind;
    this.details = options.details ?? {};
  }
}

/** An old owner tried to write: its epoch is not the present one. It has to drop what it owns and change nothing. */
export function fenced(role: string): AppError {
  return new AppError("FENCED", "permanent", `The role "${role}" has a newer owner.`, { details: { role } });
}

/** Whether an error carries this code. */
export function hasCode(error: unknown, code: ErrorCode): error is AppError {
  return error instanceof AppError && error.code === code;
}

/** Why something could not be used, without a dot at its end: the words of the other side where it had any. */
export function reasonOf(error: unknown): string {
  const said = error instanceof AppError && error.cause !== undefined ? error.cause : error;
  return messageOf(said).replace(/\.$/, "");
}

/** Why something failed, for a person: an error that is not ours speaks of our inside, and its words are for the log alone. */
export function sentenceOf(error: unknown): string {
  return error instanceof AppError ? error.message : "Something went wrong here; the log says what.";
}

/** The text of anything that was thrown, never empty: one without words has those of what it is made of, its code or its name. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error) || "nothing was said";
  if (error.message !== "") return error.message;
  if (error instanceof AggregateError && error.errors.length > 0)
    return [...new Set(error.errors.map(messageOf))].join("; ");
  return "code" in error && typeof error.code === "string" && error.code !== "" ? error.code : error.name;
}

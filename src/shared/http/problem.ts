import { ValidationError } from "elysia";
import { z } from "zod";
import { AppError, type ErrorCode } from "#shared/errors/app-error.ts";
import { faultsOf, fieldErrorSchema, invalidInput } from "#shared/errors/field-error.ts";
import { UnreadableBody } from "./json-body.ts";

/** Problem details (RFC 9457, application/problem+json). `code` is the engine's stable word for it. */
export const problemSchema = z.looseObject({
  type: z.string().describe("about:blank: the code says which problem it is"),
  title: z.string().describe("The status in words"),
  status: z.number().int().describe("The HTTP status"),
  code: z.string().describe("The engine's stable word for it"),
  detail: z.string().describe("What is wrong and what to do, in a sentence"),
  requestId: z.string().optional().describe("By which the log of the service names the request"),
  errors: z.array(fieldErrorSchema).optional().describe("The fields that are wrong"),
});
export type Problem = z.infer<typeof problemSchema>;

export const PROBLEM_TYPE = "application/problem+json";

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  426: "Upgrade Required",
  428: "Precondition Required",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** The HTTP status of each failure. What is not named here is a fault of ours: 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  INVALID_INPUT: 422,
  NOT_FOUND: 404,
  CONFLICT: 409,
  PRECONDITION_FAILED: 412,
  PRECONDITION_REQUIRED: 428,
  DATABASE_UNAVAILABLE: 503,
  BROKER_UNAVAILABLE: 503,
  VENUE_UNAVAILABLE: 503,
  VENUE_BANNED: 503,
  SERVICE_UNAVAILABLE: 503,
  FENCED: 503,
  THREAD_ENDED: 503,
  VENUE_REFUSED: 502,
  VENUE_ANSWER_LOST: 502,
  DEADLINE_PASSED: 504,
};

/** Builds problem details; `more` are extension members, such as what would be allowed instead. */
export function problem(status: number, code: string, detail: string, more: Record<string, unknown> = {}): Problem {
  return { ...more, type: "about:blank", title: TITLES[status] ?? "Error", status, code, detail };
}

/**
 * Turns whatever was thrown on the way of a request into problem details. A failure of ours says nothing of its inside. An
 * AppError below 500 shows its message and details (`details.errors` names fields).
 */
export function problemOf(error: unknown): Problem {
  if (error instanceof AppError) {
    const status = STATUS[error.code] ?? 500;
    if (status === 500) return internal();
    return problem(status, error.code, error.message, status < 500 ? error.details : {});
  }
  if (error instanceof ValidationError) return invalid(error);
  const status = statusOf(error);
  if (status === 404) return problem(404, "NOT_FOUND", "There is nothing at this address.");
  if (status === 400) return unreadable(error);
  if (status === 415) return problem(415, "UNSUPPORTED_MEDIA_TYPE", "The body has to be application/json.");
  return internal();
}

function internal(): Problem {
  return problem(500, "INTERNAL", "Something went wrong here. The log of the service says what, under the request id.");
}

/** What our parser threw is the cause of the framework's error. */
function unreadable(error: unknown): Problem {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof AppError) return problemOf(cause);
  return problem(
    400,
    "MALFORMED",
    cause instanceof UnreadableBody ? cause.message : "The body could not be read as JSON.",
  );
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("status" in error)) return undefined;
  return typeof error.status === "number" ? error.status : undefined;
}

/** An answer of ours that breaks its own contract is our fault, not the caller's. */
function invalid(error: ValidationError): Problem {
  if (error.type === "response") return internal();
  // Elysia's own list repeats the input and loses what zod knows: the schema is asked again.
  const known: unknown = error.validator;
  const schema = typeof known === "object" && known !== null && "schema" in known ? known.schema : known;
  const at = error.type === "body" ? [] : [error.type];
  return problemOf(invalidInput(schema instanceof z.ZodType ? faultsOf(schema, error.value, at) : []));
}

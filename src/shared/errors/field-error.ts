import { z } from "zod";
import { AppError } from "./app-error.ts";

/** One field that was wrong: where it stands and what it should be. Never the value. */
export const fieldErrorSchema = z.object({
  field: z.string().describe("Where it stands"),
  message: z.string().describe("What it should be"),
});
export type FieldError = z.infer<typeof fieldErrorSchema>;

const SENTENCE = "Some fields are not as they should be.";

/** INVALID_INPUT (422) that names each wrong field, with a sentence that says more than they do where there is one. */
export function invalidInput(errors: readonly FieldError[], sentence = SENTENCE): AppError {
  return new AppError("INVALID_INPUT", "permanent", sentence, { details: { errors } });
}

/** More than these help nobody: an answer is not made as large as the request likes. */
export const MOST_FAULTS = 50;
const MOST_NAME_LENGTH = 200;

/** The fields that a schema refuses, 50 at most, with words for whoever sent the value. `at`: where the value stands. Empty: it is taken. */
export function faultsOf(schema: z.ZodType, value: unknown, at: readonly string[] = []): FieldError[] {
  const issues = schema.safeParse(value, { error: speak }).error?.issues ?? [];
  const faults = issues.slice(0, MOST_FAULTS).flatMap((issue) => {
    const path = [...at, ...issue.path.map(String)];
    const keys = issue.code === "unrecognized_keys" ? issue.keys.slice(0, MOST_FAULTS) : [];
    const paths = keys.length === 0 ? [path] : keys.map((key) => [...path, key]);
    return paths.map((one) => ({ field: fieldAt(one), message: issue.message }));
  });
  return faults.slice(0, MOST_FAULTS);
}

/** How a field is named, from the names on the way to it; a name that is longer than any of ours is cut. */
export function fieldAt(path: readonly string[]): string {
  const name = path.join(".") || "body";
  return name.length <= MOST_NAME_LENGTH ? name : `${name.slice(0, MOST_NAME_LENGTH)}...`;
}

const KINDS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "an object",
  record: "an object",
};

/** zod's finding in our words, where the schema has none of its own. It never repeats the value. */
const speak: z.core.$ZodErrorMap = (issue) => {
  if (issue.input === undefined) return "is missing";
  switch (issue.code) {
    case "invalid_type":
      return `must be ${KINDS[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `must be ${oneOf(issue.values)}`;
    case "invalid_union":
      return `must be ${"options" in issue && Array.isArray(issue.options) ? oneOf(issue.options) : "of another kind"}`;
    case "too_small":
      return limit(issue, issue.minimum, { inclusive: "at least", exclusive: "above" });
    case "too_big":
      return limit(issue, issue.maximum, { inclusive: "at most", exclusive: "below" });
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`;
    case "invalid_format":
      return issue.format === "uuid"
        ? "must be a UUID like 01234567-89ab-4cde-8f01-23456789abcd"
        : "does not have the right form";
    case "unrecognized_keys":
      return `is not known here; ${knownNames(issue.inst)}`;
    case "custom":
    case "invalid_key":
    case "invalid_element":
      return "is not as it should be";
  }
};

/** A choice in words: "1d", or "one of 1m, 1h". */
export function oneOf(values: readonly unknown[]): string {
  return values.length === 1 ? String(values[0]) : `one of ${values.join(", ")}`;
}

function limit(
  { origin, exact, inclusive }: { origin: string; exact?: boolean | undefined; inclusive?: boolean | undefined },
  bound: number | bigint,
  words: { inclusive: string; exclusive: string },
): string {
  if (origin === "string" && words.inclusive === "at least" && bound === 1) return "must not be empty";
  const counted = origin === "string" ? " characters" : origin === "array" ? " items" : null;
  const how = exact ? "exactly" : inclusive === false ? words.exclusive : words.inclusive;
  return `must ${counted === null ? "be" : "have"} ${how} ${bound}${counted ?? ""}`;
}

function knownNames(schema: unknown): string {
  const names = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  return names.length === 0 ? "nothing may stand here" : `known: ${names.join(", ")}`;
}

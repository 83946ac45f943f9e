import type { FieldError } from "#shared/errors/field-error.ts";

const MESSAGE = "must not hold NUL or half of a surrogate pair";
/** How such a text comes in JSON: a body's own bytes are read as UTF-8, which has neither. */
const ESCAPED = /\\u(0000|d[89a-f])/i;

/** Whether a text can be stored and told on: Postgres refuses NUL, and half of a surrogate pair is no Unicode. */
export function isWholeText(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}

/** Whether a text of JSON may hold a text that is not whole. */
export function mayHoldBrokenText(json: string): boolean {
  return ESCAPED.test(json);
}

/** Each text inside a value of JSON that is not whole, names of fields as well. `at`: where the value stands. */
export function faultsOfText(value: unknown, at: readonly string[] = []): FieldError[] {
  if (typeof value === "string") return isWholeText(value) ? [] : [faultAt(at)];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    isWholeText(name) ? faultsOfText(inner, [...at, name]) : [faultAt(at)],
  );
}

function faultAt(at: readonly string[]): FieldError {
  return { field: at.join(".") || "body", message: MESSAGE };
}

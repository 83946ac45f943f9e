import { type FieldError, fieldAt, MOST_FAULTS } from "#shared/errors/field-error.ts";

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

/** The broken texts inside a JSON value, names of fields as well; 50 at most. `at`: where the value stands. */
export function faultsOfText(value: unknown, at: readonly string[] = []): FieldError[] {
  const faults: FieldError[] = [];
  collect(value, [...at], faults);
  return faults;
}

/** `path` is one list for all of the walk. */
function collect(value: unknown, path: string[], faults: FieldError[]): void {
  if (faults.length === MOST_FAULTS) return;
  if (typeof value === "string") {
    if (!isWholeText(value)) faults.push(faultAt(path));
  } else if (typeof value === "object" && value !== null) {
    for (const [name, inner] of Object.entries(value)) {
      if (faults.length === MOST_FAULTS) return;
      if (!isWholeText(name)) {
        faults.push(faultAt(path));
        continue;
      }
      path.push(name);
      collect(inner, path, faults);
      path.pop();
    }
  }
}

function faultAt(path: readonly string[]): FieldError {
  return { field: fieldAt(path), message: MESSAGE };
}

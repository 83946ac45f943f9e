/** More than this deep no snapshot is meant to be: it goes around in a circle. */
const DEEPEST = 100;
/** Characters that a value may have as JSON, about: it is written with each bar. A number counts as eight of them. */
const LARGEST = 1_000_000;
const OF_NUMBER = 8;
/** What JSON writes with more than one character. */
const ESCAPED = /[\p{Cc}"\\]/u;

/**
 * Throws (TypeError) where a value does not come back from JSON: NaN, Infinity, undefined, functions, dates, maps, circles,
 * texts that Postgres refuses; and where it is larger than `LARGEST`. The sentence names the place. -0 is let through and comes
 * back as 0.
 */
export function assertPlainJson(value: unknown, path = "it"): void {
  check(value, path, 0, { left: LARGEST });
}

function check(value: unknown, path: string, depth: number, size: { left: number }): void {
  if (value === null || typeof value === "boolean") return;
  if (typeof value === "string") {
    if (value.includes("\0") || !value.isWellFormed()) throw new TypeError(`${path} is a text with broken characters`);
    take(size, ESCAPED.test(value) ? JSON.stringify(value).length : value.length, path);
  } else if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`${path} is ${value}`);
    take(size, OF_NUMBER, path);
  } else if (typeof value !== "object") {
    throw new TypeError(`${path} is ${value === undefined ? "undefined" : `a ${typeof value}`}`);
  } else if (depth === DEEPEST) {
    throw new TypeError(`${path.slice(0, 100)} goes on for ever`);
  } else if (Array.isArray(value)) {
    take(size, value.length * OF_NUMBER, path);
    for (let index = 0; index < value.length; index += 1) {
      const item: unknown = value[index];
      // Most are lists of numbers: no path is made for those that are fine.
      if (typeof item !== "number" || !Number.isFinite(item)) check(item, `${path}[${index}]`, depth + 1, size);
    }
  } else {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw new TypeError(`${path} is a ${value.constructor?.name ?? "thing"}`);
    }
    for (const [name, item] of Object.entries(value)) {
      check(name, `a name in ${path}`, depth + 1, size);
      check(item, `${path}.${name}`, depth + 1, size);
    }
  }
}

function take(size: { left: number }, amount: number, path: string): void {
  size.left -= amount;
  if (size.left >= 0) return;
  throw new TypeError(
    `${path.slice(0, 100)} makes it larger than ${LARGEST} characters, a number counted as ${OF_NUMBER}`,
  );
}

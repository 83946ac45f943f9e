import { invalidInput } from "#shared/errors/field-error.ts";
import { faultsOfText, mayHoldBrokenText } from "./whole-text.ts";

/** How deep lists and objects of a body may stand in one another. No body of ours comes near it. */
const DEEPEST = 32;
/** How many values a body may hold, lists and objects among them. */
const MOST_VALUES = 10_000;
/** How many keys one object of a body may have. */
const MOST_KEYS = 1_000;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const [LIST, OBJECT] = [0x5b, 0x7b];
const [LIST_END, OBJECT_END] = [0x5d, 0x7d];

/** A body that is not read: the message is a sentence for whoever sent it. */
export class UnreadableBody extends Error {
  readonly status = 400;
}

/**
 * Reads a body's JSON. One that is too deep or holds too much is refused before it is parsed. Else schemas, errors and
 * fingerprints would walk all of it, and nothing else would be served meanwhile.
 *
 * @throws UnreadableBody, and INVALID_INPUT for texts that nothing can store
 */
export function readJsonBody(bytes: ArrayBuffer): unknown {
  const text = decode(bytes);
  const excess = excessOf(text);
  if (excess !== null) throw new UnreadableBody(excess);
  const body = parse(text);
  const broken = mayHoldBrokenText(text) ? faultsOfText(body) : [];
  if (broken.length > 0) throw invalidInput(broken);
  return body;
}

/** A decoder that is not told otherwise puts other characters in the place of what is none. */
function decode(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new UnreadableBody("The body is not UTF-8: send its text in that encoding.", { cause: error });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UnreadableBody("The body could not be read as JSON.", { cause: error });
  }
}

/** What a body has too much of, as a sentence. Values and keys are counted by what stands between them. */
function excessOf(text: string): string | null {
  const keys = new Uint32Array(DEEPEST + 1);
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text.charCodeAt(at);
    if (sign === QUOTE) at = endOfText(text, at + 1);
    else if (sign === COMMA) values += 1;
    else if (sign === COLON) {
      const count = (keys[depth] ?? 0) + 1;
      keys[depth] = count;
      if (count > MOST_KEYS) return `An object of the body holds more than ${MOST_KEYS} keys: send fewer.`;
    } else if (sign === LIST || sign === OBJECT) {
      depth += 1;
      values += 1;
      keys[depth] = 0;
      if (depth > DEEPEST) return `The body nests lists and objects more than ${DEEPEST} deep: send it flatter.`;
    } else if (sign === LIST_END || sign === OBJECT_END) depth -= 1;
    if (values > MOST_VALUES) return `The body holds more than ${MOST_VALUES} values: send less at once.`;
  }
  return null;
}

/** Where the quote stands that ends a text. */
function endOfText(text: string, from: number): number {
  let at = from;
  for (let sign = text.charCodeAt(at); at < text.length && sign !== QUOTE; sign = text.charCodeAt(at)) {
    at += sign === BACKSLASH ? 2 : 1;
  }
  return at;
}

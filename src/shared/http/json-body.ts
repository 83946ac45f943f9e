import { invalidInput, MOST_FAULTS } from "#shared/errors/field-error.ts";
import { faultsOfText, mayHoldBrokenText } from "./whole-text.ts";

/** How deep lists and objects of a body may stand in one another. No body of ours comes near it. */
const DEEPEST = 32;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/** A body that is not read: the message is a sentence for whoever sent it. */
export class UnreadableBody extends Error {
  readonly status = 400;
}

/**
 * Reads a body's JSON. One that stands too deep is refused before anything is made of it: what walks it later (schemas,
 * errors, fingerprints) goes as deep as the sender likes, and a writer that indents needs its depth squared in memory.
 *
 * @throws UnreadableBody, and INVALID_INPUT for texts that nothing can store
 */
export function readJsonBody(text: string): unknown {
  if (isTooDeep(text)) {
    throw new UnreadableBody(`The body nests lists and objects more than ${DEEPEST} deep: send it flatter.`);
  }
  const body = parse(text);
  const broken = mayHoldBrokenText(text) ? faultsOfText(body) : [];
  if (broken.length > 0) throw invalidInput(broken.slice(0, MOST_FAULTS));
  return body;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UnreadableBody("The body could not be read as JSON.", { cause: error });
  }
}

function isTooDeep(text: string): boolean {
  let depth = 0;
  let isInText = false;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text.charCodeAt(at);
    if (isInText) {
      if (sign === BACKSLASH) at += 1;
      else if (sign === QUOTE) isInText = false;
    } else if (sign === QUOTE) isInText = true;
    else if (OPENING.has(sign)) {
      depth += 1;
      if (depth > DEEPEST) return true;
    } else if (CLOSING.has(sign)) depth -= 1;
  }
  return false;
}

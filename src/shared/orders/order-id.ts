import { createHash } from "node:crypto";

/**
 * The id of an order that a cause leads to, by its place among those of the cause's decision: a UUID (version 8) of the two,
 * so that a repeat makes the same one.
 */
export function orderIdOf(cause: string, index = 0): string {
  const name = index === 0 ? cause : `${cause}:${index}`;
  const hash = createHash("sha256").update(`order:${name}`).digest("hex");
  const variant = ((Number.parseInt(hash.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `8${hash.slice(13, 16)}`,
    `${variant}${hash.slice(17, 20)}`,
    hash.slice(20, 32),
  ].join("-");
}

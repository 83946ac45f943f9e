import { createHash } from "node:crypto";

/** The id of the order that a cause leads to: a UUID (version 8) of the cause's name, so that a repeat makes the same one. */
export function orderIdOf(cause: string): string {
  const hash = createHash("sha256").update(`order:${cause}`).digest("hex");
  const variant = ((Number.parseInt(hash.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `8${hash.slice(13, 16)}`,
    `${variant}${hash.slice(17, 20)}`,
    hash.slice(20, 32),
  ].join("-");
}

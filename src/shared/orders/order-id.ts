import { uuidFrom } from "#shared/random/uuid-from.ts";

/**
 * The id of an order that a cause leads to, by its place among those of the cause's decision. It comes from the two alone, so
 * that a repeat makes the same one.
 */
export function orderIdOf(cause: string, index = 0): string {
  return uuidFrom(index === 0 ? `order:${cause}` : `order:${cause}:${index}`);
}

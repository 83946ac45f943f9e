import { z } from "zod";
import { invalidInput } from "#shared/errors/field-error.ts";
import { faultsOfText } from "./whole-text.ts";

/** Twice what the longest sort key of ours needs. */
const MOST_CURSOR_LENGTH = 2_000;

/** The query of every list: how many at most, and where the page before ended. Extend it with the list's own filters. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe("How many at most"),
  cursor: z.string().max(MOST_CURSOR_LENGTH).optional().describe("nextCursor of the page before"),
});

/** For the query of a list that is read from either end. Its cursors are good for the order that they were given in. */
export const listOrder = z
  .enum(["asc", "desc"])
  .default("asc")
  .describe("asc: the oldest first. desc: the newest first");
export type ListOrder = z.infer<typeof listOrder>;

export interface Page<Item> {
  items: Item[];
  /** Give it as `cursor` to read on. Null: this was the last page. */
  nextCursor: string | null;
}

/** The schema of a page of items. */
export function pageSchema<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item).describe("What stands on this page"),
    nextCursor: z.string().nullable().describe("Give it as cursor to read on; null: this is the last page"),
  });
}

type CursorPart = string | number;

/** Makes a page of rows that were read with `limit + 1`: the row too many says that there is a next page. */
export function pageOf<Item>(rows: readonly Item[], limit: number, keyOf: (item: Item) => CursorPart[]): Page<Item> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: rows.length > limit && last !== undefined ? writeCursor(keyOf(last)) : null };
}

/** A cursor is the sort key of the last item, opaque to the caller. */
export function writeCursor(key: CursorPart[]): string {
  return Buffer.from(JSON.stringify(key)).toString("base64url");
}

/**
 * Reads the values of a cursor by their types. No type may be wider than the column that it is compared with. Null: there is
 * no cursor. INVALID_INPUT (422): it is not one of ours.
 */
export function readCursor<Parts extends CursorPart[]>(
  cursor: string | undefined,
  parts: z.ZodType<Parts>,
): Parts | null {
  if (cursor === undefined) return null;
  const parsed = parts.safeParse(parseJson(Buffer.from(cursor, "base64url").toString()));
  if (parsed.success && faultsOfText(parsed.data).length === 0) return parsed.data;
  throw invalidInput([{ field: "query.cursor", message: "must be the nextCursor of a page before" }]);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

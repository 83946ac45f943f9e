import { z } from "zod";
import type { Sql } from "#shared/db/db.ts";
import { instrumentSchema } from "#shared/domain/instrument.ts";
import { idText, shortName } from "#shared/domain/schemas.ts";
import { sessionStateSchema } from "#shared/domain/session.ts";
import { type ListOrder, listOrder } from "#shared/http/paging.ts";

/** Which sessions are meant; what is not given does not matter. */
const filterFields = {
  state: sessionStateSchema.exclude(["DELETED"]).optional().describe("Only in this state"),
  strategy: idText.optional().describe("Only of this strategy"),
  instrumentId: instrumentSchema.shape.id.optional().describe("Only those that trade this instrument"),
  accountId: shortName.optional().describe("Only of this account"),
  text: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe("Only those whose name has this text, in small or capital letters, or whose code or id begins with it"),
};

/** The query of the list of sessions, without its page. */
export const sessionFilterSchema = z.strictObject(filterFields);
export type SessionFilter = z.infer<typeof sessionFilterSchema>;

/** What sessions are sorted by. */
export const SESSION_SORTS = ["createdAt", "updatedAt", "name", "state"] as const;
export const sortFields = {
  ...filterFields,
  sort: z.enum(SESSION_SORTS).default("createdAt").describe("What they are sorted by, then by their ids"),
  order: listOrder.describe("asc: the smallest or oldest first"),
};
export interface SessionOrder {
  sort: (typeof SESSION_SORTS)[number];
  order: ListOrder;
}

/** A condition on `reference.sessions s`. */
export function matchesSql(sql: Sql, { state, strategy, instrumentId, accountId, text }: SessionFilter) {
  return sql`s.state <> 'DELETED'
    ${state === undefined ? sql`` : sql`and s.state = ${state}`}
    ${strategy === undefined ? sql`` : sql`and s.session ->> 'strategy' = ${strategy}`}
    ${instrumentId === undefined ? sql`` : sql`and s.session -> 'instrumentIds' ? ${instrumentId}`}
    ${accountId === undefined ? sql`` : sql`and s.account_id = ${accountId}`}
    ${
      text === undefined
        ? sql``
        : sql`and (strpos(lower(s.session ->> 'name'), lower(${text})) > 0
      or starts_with(s.code, lower(${text})) or starts_with(s.id, lower(${text})))`
    }`;
}

/** What a sort compares, as an expression of `reference.sessions s`. */
export function sortKeySql(sql: Sql, sort: SessionOrder["sort"]) {
  switch (sort) {
    case "createdAt":
      return sql`s.created_at_ms`;
    case "updatedAt":
      return sql`s.updated_at_ms`;
    case "name":
      return sql`lower(s.session ->> 'name') collate "C"`;
    case "state":
      return sql`s.state collate "C"`;
  }
}

/** The end of a statement over `reference.sessions s`: which page. `after`: what the sort compares of the last one before, and its id. */
export function pageSql(
  sql: Sql,
  { sort, order, after, limit }: SessionOrder & { after: [string | number, string] | null; limit: number },
) {
  const key = sortKeySql(sql, sort);
  const down = order === "desc";
  const behind =
    after === null
      ? sql``
      : down
        ? sql`and (${key}, s.id) < (${after[0]}, ${after[1]})`
        : sql`and (${key}, s.id) > (${after[0]}, ${after[1]})`;
  return down
    ? sql`${behind} order by ${key} desc, s.id desc limit ${limit}`
    : sql`${behind} order by ${key}, s.id limit ${limit}`;
}

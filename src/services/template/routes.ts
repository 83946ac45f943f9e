import { z } from "zod";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import type { Deps } from "#shared/service/service.ts";
import { noteSchema } from "./messages.ts";
import { listNotes } from "./store.ts";

const cursor = z.tuple([z.string()]);

/** REST of the notes: any instance answers alike, from the table. */
export function createRoutes({ db, log }: Pick<Deps, "db" | "log">) {
  return httpBase("template", log).get(
    "/notes",
    async ({ query: { limit, cursor: from } }) => {
      const [after] = readCursor(from, cursor) ?? [""];
      return pageOf(await listNotes(db.sql, after, limit + 1), limit, ({ sessionId }) => [sessionId]);
    },
    {
      query: pageQuery,
      response: { 200: pageSchema(noteSchema) },
      detail: { summary: "Lists the newest position of each session" },
    },
  );
}

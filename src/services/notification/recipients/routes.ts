import { Elysia } from "elysia";
import { z } from "zod";
import { messageSchema, messageStateSchema } from "#services/notification/delivery/message.ts";
import { listMessages } from "#services/notification/delivery/message-store.ts";
import type { Place } from "#services/notification/place.ts";
import { uuidText } from "#shared/domain/schemas.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import { etagOf, ifMatchSchema } from "#shared/http/versions.ts";
import { changeRecipient, createRecipient, notFound, removeRecipient, sendTest } from "./commands.ts";
import { changeRecipientSchema, createRecipientSchema, type Recipient, recipientSchema } from "./recipient.ts";
import { findRecipient, listRecipients } from "./recipient-store.ts";

const byId = z.object({ id: uuidText.describe("The recipient's id") });
const messageQuery = pageQuery.extend({ state: messageStateSchema.optional().describe("Only those in this state") });
const changes = { 404: problemSchema, 409: problemSchema, 412: problemSchema, 422: problemSchema, 428: problemSchema };
const changeHeaders = z.object({ "if-match": ifMatchSchema });
const taken = messageSchema.pick({ id: true, seq: true });

/** REST of recipients. Nothing that it answers holds a secret. A recipient's version is its ETag. */
export function createRoutes(place: Place) {
  return new Elysia().use(createReads(place)).use(createChanges(place)).use(createMessageRoutes(place));
}

function createReads(place: Place) {
  return httpBase("notification", place.deps.log)
    .get(
      "/recipients",
      async ({ query: { limit, cursor } }) => {
        const [after] = readCursor(cursor, z.tuple([z.string()])) ?? [""];
        return pageOf(await listRecipients(place.deps.db.sql, after, limit + 1), limit, ({ name }) => [name]);
      },
      {
        query: pageQuery,
        response: { 200: pageSchema(recipientSchema) },
        detail: { summary: "Lists recipients with how their messages get on, by their names" },
      },
    )
    .get("/recipients/:id", ({ params: { id }, set }) => read(place, id, set.headers), {
      params: byId,
      response: { 200: recipientSchema, 404: problemSchema },
      detail: { summary: "Reads a recipient with how its messages get on" },
    });
}

function createChanges(place: Place) {
  return httpBase("notification", place.deps.log)
    .post(
      "/recipients",
      async ({ body, set, status }) => {
        const recipient = await read(place, await createRecipient(place, body), set.headers);
        set.headers.location = `/api/notification/recipients/${recipient.id}`;
        return status(201, recipient);
      },
      {
        body: createRecipientSchema,
        response: { 201: recipientSchema, 409: problemSchema, 422: problemSchema },
        detail: { summary: "Creates a recipient: who is told, by which channel, of what" },
      },
    )
    .patch(
      "/recipients/:id",
      async ({ params: { id }, body, headers, set }) => {
        await changeRecipient(place, { id, ifMatch: headers["if-match"] }, body);
        return read(place, id, set.headers);
      },
      {
        params: byId,
        body: changeRecipientSchema,
        headers: changeHeaders,
        response: { 200: recipientSchema, ...changes },
        detail: {
          summary: "Changes a recipient; a channel is sent whole. Needs If-Match with the ETag header of a GET",
        },
      },
    )
    .delete(
      "/recipients/:id",
      async ({ params: { id }, headers }) => {
        await removeRecipient(place, { id, ifMatch: headers["if-match"] });
        return new Response(null, { status: 204 });
      },
      {
        params: byId,
        headers: changeHeaders,
        detail: {
          summary: "Deletes a recipient and what waits for it. Needs If-Match",
          responses: {
            204: { description: "It is deleted" },
            404: { description: "There is none" },
            412: { description: "It has changed since the version that If-Match names" },
            428: { description: "If-Match is missing" },
          },
        },
      },
    );
}

/** What is sent to a recipient. */
function createMessageRoutes(place: Place) {
  return httpBase("notification", place.deps.log)
    .post(
      "/recipients/:id/test",
      async ({ params: { id }, status }) => {
        const { id: messageId, seq } = await sendTest(place, id);
        return status(202, { id: messageId, seq });
      },
      {
        params: byId,
        response: { 202: taken, 404: problemSchema, 409: problemSchema },
        detail: { summary: "Sends a test message; its state is in the list of the recipient's messages" },
      },
    )
    .get(
      "/recipients/:id/messages",
      async ({ params: { id }, query: { limit, cursor, state } }) => {
        if ((await findRecipient(place.deps.db.sql, id)) === null) notFound();
        const before = readCursor(cursor, z.tuple([z.number().int().positive()]));
        const rows = await listMessages(place.deps.db.sql, { recipientId: id, state }, before, limit + 1);
        return pageOf(rows, limit, ({ seq }) => [seq]);
      },
      {
        params: byId,
        query: messageQuery,
        response: { 200: pageSchema(messageSchema), 404: problemSchema },
        detail: { summary: "Lists a recipient's messages with what became of them, newest first" },
      },
    );
}

async function read({ deps }: Place, id: string, headers: Record<string, unknown>): Promise<Recipient> {
  const recipient = (await findRecipient(deps.db.sql, id)) ?? notFound();
  headers["etag"] = etagOf(recipient);
  return recipient;
}

import { type AnyElysia, Elysia } from "elysia";
import type { Logger } from "pino";
import { z } from "zod";
import { AppError } from "#shared/errors/app-error.ts";
import { type FieldError, faultsOf, invalidInput } from "#shared/errors/field-error.ts";
import { readJsonBody } from "./json-body.ts";
import { PROBLEM_TYPE, type Problem, problemOf } from "./problem.ts";
import { requestIdOf } from "./request-id.ts";
import { faultsOfText } from "./whole-text.ts";

export interface HttpBaseOptions {
  /** json (default): a body of another type is 415. any: the routes read what comes, as a venue's protocol wants it. */
  bodies?: "json" | "any";
}

/**
 * The base of a service's routes: prefix `/api/<service>`, failures as problem details (RFC 9457), JSON bodies alone.
 * Schemas are zod: Elysia checks with them, types the handler by them and OpenAPI is made from them. A query's values
 * are text: `z.coerce`; it is a `z.strictObject`, so that a name which is not known is refused and not overlooked, and a
 * route without one takes no query. Failures are thrown as AppErrors: NOT_FOUND 404, CONFLICT 409, INVALID_INPUT 422 and so on.
 *
 * ```ts
 * export function createRoutes(store: Store, log: Logger) {
 *   return httpBase("risk-manager", log)
 *     .get(
 *       "/decisions",
 *       async ({ query }) => {
 *         const after = readCursor(query.cursor, z.tuple([epochMs, z.string()]));
 *         return pageOf(await store.decisions(query.sessionId, after, query.limit + 1), query.limit, (d) => [d.atMs, d.id]);
 *       },
 *       {
 *         query: pageQuery.extend({ sessionId: z.string().optional() }),
 *         response: { 200: pageSchema(decisionSchema) },
 *         detail: { summary: "Lists decisions" },
 *       },
 *     )
 *     .get("/decisions/:id", async ({ params }) => await store.decision(params.id), {
 *       params: z.object({ id: z.uuid() }),
 *       response: { 200: decisionSchema, 404: problemSchema },
 *     })
 *     .post("/kill", async ({ body, status }) => status(202, await kill(body)), { body: killSchema, response: { 202: killedSchema } });
 * }
 * ```
 * Tests call `routes.handle(new Request("http://localhost/api/risk-manager/decisions"))`.
 */
export function httpBase(service: string, log: Logger, options: HttpBaseOptions = {}) {
  const jsonOnly = (options.bodies ?? "json") === "json";
  const base = new Elysia({ prefix: `/api/${service}` })
    .onError(({ error, request, set }) => {
      const answer = problemOf(error);
      if (answer.status >= 500)
        log.error({ err: error, path: pathOf(request), requestId: requestIdOf(request) }, "request failed");
      return problemResponse(answer, request, set.headers);
    })
    .onTransform((context) => {
      if (!jsonOnly) return;
      const { request, route, set, params, query, body } = context;
      // A route whose body may be left out takes nothing in its place.
      if (body === NO_BODY) context.body = undefined;
      // A form that says so without a body is one that a page of anyone can send.
      const hasType = request.method !== "GET" && request.headers.has("content-type");
      if ((hasType || hasBody(request)) && !isJson(request)) {
        set.status = 415;
        throw new UnsupportedMediaType();
      }
      // Nothing that is kept has such a name.
      if (faultsOfText(params).length > 0)
        throw new AppError("NOT_FOUND", "permanent", "There is nothing at this address.");
      const errors = faultsIn(schemasOf(request.method === "HEAD" ? "GET" : request.method, route), {
        request,
        params,
        query,
        body,
      });
      if (errors.length > 0) throw invalidInput(errors);
    });
  if (jsonOnly) base.onParse(parseBody);
  const schemas = new Map<string, Schemas>();
  function schemasOf(method: string, path: string): Schemas {
    const name = `${method} ${path}`;
    const known = schemas.get(name) ?? schemasIn(base.routes, method, path);
    schemas.set(name, known);
    return known;
  }
  return base;
}

const PARTS = ["params", "query", "headers", "body"] as const;
/** What a route takes, by the part of the request; null: whatever comes. */
type Schemas = Readonly<Record<(typeof PARTS)[number], z.ZodType | null>>;

/** Its own schema says what a route takes in the query; one without a schema takes nothing. */
function schemasIn(routes: AnyElysia["routes"], method: string, path: string): Schemas {
  const hooks = routes.find((route) => route.method === method && route.path === path)?.hooks;
  const of = (schema: unknown) => (schema instanceof z.ZodType ? schema : null);
  return {
    params: of(hooks?.params),
    query: of(hooks?.query) ?? z.strictObject({}),
    headers: of(hooks?.headers),
    body: of(hooks?.body),
  };
}

/** Looked for before Elysia does: its own error is made from the whole input, indented. */
function faultsIn(
  schemas: Schemas,
  { request, params, query, body }: { request: Request; params: unknown; query: unknown; body: unknown },
): FieldError[] {
  const given = {
    params,
    query: query ?? {},
    headers: schemas.headers === null ? null : Object.fromEntries(request.headers),
    body: body === NO_BODY ? undefined : body,
  };
  const faults = PARTS.flatMap((part) => {
    const schema = schemas[part];
    return schema === null ? [] : faultsOf(schema, given[part], part === "body" ? [] : [part]);
  });
  return [...faults, ...faultsOfText(given.query, ["query"])];
}

/** What it returns is the body; what is no JSON is refused a step later. */
async function parseBody({ request }: { request: Request }): Promise<unknown> {
  if (!isJson(request)) return NO_BODY;
  const bytes = await request.arrayBuffer();
  return bytes.byteLength === 0 ? NO_BODY : readJsonBody(bytes);
}

/** Writes problem details with the request's id; `headers` are those already set for the answer. */
export function problemResponse(answer: Problem, request: Request, headers: Record<string, unknown> = {}): Response {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === "string" && name.toLowerCase() !== "content-type") kept[name] = value;
  }
  if (answer.status === 503) kept["retry-after"] = "1";
  const requestId = requestIdOf(request);
  return Response.json(requestId === undefined ? answer : { ...answer, requestId }, {
    status: answer.status,
    headers: { ...kept, "content-type": PROBLEM_TYPE },
  });
}

/** A body of no bytes, which Elysia's own parsers would refuse. */
const NO_BODY = Symbol("no body");

class UnsupportedMediaType extends Error {
  readonly status = 415;
}

function pathOf(request: Request): string {
  return new URL(request.url).pathname;
}

function hasBody(request: Request): boolean {
  const length = request.headers.get("content-length");
  return (length !== null && length !== "0") || request.headers.has("transfer-encoding");
}

function isJson(request: Request): boolean {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  return type === "application/json" || (type.startsWith("application/") && type.endsWith("+json"));
}

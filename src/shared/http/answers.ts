import { type AnyElysia, type Context, ElysiaCustomStatusResponse } from "elysia";
import { z } from "zod";
import { AppError } from "#shared/errors/app-error.ts";
import { faultsOf } from "#shared/errors/field-error.ts";

type Routes = AnyElysia["routes"];
type Given = Pick<Context, "request" | "route" | "set"> & { responseValue: unknown };

/**
 * Writes the answer of a route as JSON. Elysia would check each answer against its schema and build it anew; types say
 * already what a route answers, and tests check it (checkAnswer). A Response passes Elysia as it is. Undefined: there is
 * nothing to write, or it is written already.
 */
export function writeAnswer({ responseValue, set }: Given): Response | undefined {
  const { status, body } = parted(responseValue, set.status);
  if (typeof body !== "object" || body === null || body instanceof Response) return undefined;
  const headers = { ...set.headers, "content-type": "application/json" } as Record<string, string>;
  const answer = new Response(JSON.stringify(body), { status, headers });
  // A Response is copied through a stream where something is still to be set.
  set.headers = {};
  set.status = 200;
  return answer;
}

/**
 * Holds an answer against the schema of its route.
 *
 * @throws INTERNAL that names the route and what is wrong: a field that is not as the schema says, or that it does not name
 */
export function checkAnswer(routes: Routes, { request, route, responseValue, set }: Given): void {
  const schemas: unknown = routes.find((one) => one.method === request.method && one.path === route)?.hooks?.response;
  const { status, body } = parted(responseValue, set.status);
  if (typeof schemas !== "object" || schemas === null || body instanceof Response) return;
  const schema = new Map<string, unknown>(Object.entries(schemas)).get(String(status));
  const wrong = schema instanceof z.ZodType ? breachOf(schema, body) : "its status is not documented";
  if (wrong === null) return;
  const name = `${request.method} ${route}, ${status}`;
  throw new AppError("INTERNAL", "permanent", `An answer breaks its contract (${name}): ${wrong}.`);
}

function breachOf(schema: z.ZodType, body: unknown): string | null {
  const sent: unknown = JSON.parse(JSON.stringify(body));
  const faults = faultsOf(schema, sent);
  if (faults.length > 0) return faults.map(({ field, message }) => `${field} ${message}`).join(", ");
  return Bun.deepEquals(schema.parse(sent), sent) ? null : "it is not as its schema would write it";
}

function parted(value: unknown, set: number | string | undefined): { status: number; body: unknown } {
  return value instanceof ElysiaCustomStatusResponse
    ? { status: Number(value.code), body: value.response }
    : { status: Number(set ?? 200), body: value };
}

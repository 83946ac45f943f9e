import { toOpenAPISchema } from "@elysiajs/openapi/openapi";
import type { AnyElysia } from "elysia";
import { z } from "zod";
import { EXAMPLE_ACCOUNT } from "#shared/domain/schemas.ts";
import { PROBLEM_TYPE, problemSchema } from "./problem.ts";

/** The part of a JSON Schema that is read here. */
export interface JsonSchema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  default?: unknown;
  examples?: unknown[];
  const?: unknown;
  enum?: unknown[];
  required?: string[];
  properties?: Record<string, JsonSchema>;
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
}

type Content = Record<string, { schema?: JsonSchema }>;

export interface Operation {
  tags: string[];
  summary?: string;
  parameters?: { name: string; in: string; required: boolean; description?: string; schema: JsonSchema }[];
  requestBody?: { required: boolean; content: Content };
  responses: Record<string, { $ref?: string; description?: string; content?: Content }>;
}

export interface OpenApiDocument {
  openapi: string;
  info: { title: string; version: string; description: string };
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: object;
}

export interface DocumentOptions {
  services: readonly { name: string; description: string }[];
  version: string;
  /** An account of the settings, which examples name; null: there is none. */
  account: string | null;
}

/** The tag of what belongs to no service. */
export const PROCESS = "process";
const PROBLEM = "#/components/schemas/Problem";
const PROBLEM_RESPONSE = "#/components/responses/Problem";
const JSON_TYPE = "application/json";

/**
 * The contract of all routes of an app (OpenAPI 3.1). Elysia's plugin reads the routes. What it leaves out or cannot know is
 * added here: bodies are JSON but for files, whose routes say so, each refusal is problem details, and no reference leads nowhere.
 */
export function documentOf(app: AnyElysia, { services, version, account }: DocumentOptions): OpenApiDocument {
  // WebSockets are no operations of OpenAPI.
  const read = toOpenAPISchema(app, { methods: ["options", "ws"] }, undefined, { zod: jsonSchemaOf });
  const paths = read.paths as OpenApiDocument["paths"];
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations))
      putRight({ method, path, body: bodyOf(app, method, path) }, operation);
  }
  const process = { name: PROCESS, description: "The process that the services run in" };
  const document = {
    openapi: "3.1.1",
    info: { title: "r3edge-engine", version, description: "The REST side of the services in this process." },
    tags: [...services.map(({ name, description }) => ({ name, description })), process],
    paths,
    components: {
      schemas: { Problem: plainSchemaOf(problemSchema) },
      responses: {
        Problem: {
          description: "Refused or failed: problem details (RFC 9457) with a stable code",
          content: { [PROBLEM_TYPE]: { schema: { $ref: PROBLEM } } },
        },
      },
    },
  };
  return account === null ? document : namingAccount(document, account);
}

function namingAccount(document: OpenApiDocument, account: string): OpenApiDocument {
  const named = (example: unknown): unknown =>
    JSON.parse(JSON.stringify(example), (_key, value: unknown) => (value === EXAMPLE_ACCOUNT ? account : value));
  return JSON.parse(JSON.stringify(document), (key, value: unknown) =>
    key === "examples" ? named(value) : value,
  ) as OpenApiDocument;
}

function putRight(
  { method, path, body }: { method: string; path: string; body: z.ZodType | undefined },
  operation: Operation,
): void {
  operation.tags ??= [/^\/api\/([^/]+)/.exec(path)?.[1] ?? PROCESS];
  for (const parameter of operation.parameters ?? []) {
    const { description } = parameter.schema;
    if (description !== undefined) parameter.description = description;
  }
  if (operation.requestBody !== undefined && body !== undefined) {
    operation.requestBody.content = { [JSON_TYPE]: { schema: jsonSchemaOf(body) } };
    operation.requestBody.required = !body.safeParse(undefined).success;
  }
  operation.responses ??= {};
  for (const [status, { content }] of Object.entries(operation.responses)) {
    if (content?.[JSON_TYPE]?.schema?.$ref === PROBLEM) operation.responses[status] = { $ref: PROBLEM_RESPONSE };
    else if (content !== undefined) operation.responses[status] = { description: wordsFor(status), content };
  }
  for (const status of refusalsOf(method, path)) operation.responses[status] ??= { $ref: PROBLEM_RESPONSE };
}

/**
 * The refusals that any request may meet. From http-app: a foreign host or origin, a body that is too large or says no
 * length. From http-base: a wrong field, a type that is not JSON, an id that nothing can have, a server that is away.
 */
function refusalsOf(method: string, path: string): string[] {
  const anywhere = ["400", "403", "411", "413"];
  if (!path.startsWith("/api/")) return anywhere;
  return [...anywhere, ...(path.includes("{") ? ["404"] : []), ...(method === "get" ? [] : ["415"]), "422", "503"];
}

/** What a route takes, whatever parser reads it. */
function bodyOf(app: AnyElysia, method: string, path: string): z.ZodType | undefined {
  const route = app.routes.find((one) => one.method.toLowerCase() === method && inBraces(one.path) === path);
  const body: unknown = route?.hooks.body;
  return body instanceof z.ZodType ? body : undefined;
}

/** A path as OpenAPI writes it. */
function inBraces(path: string): string {
  return path.replaceAll(/:(\w+)/g, "{$1}");
}

function wordsFor(status: string): string {
  return status.startsWith("2") ? "As asked" : "Not now: the present state";
}

function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return schema === problemSchema ? { $ref: PROBLEM } : plainSchemaOf(schema);
}

/**
 * A schema that refers to itself would refer to its own root, which is not the document's. Only z.json() does, and it allows
 * anything.
 */
function plainSchemaOf(schema: z.ZodType): JsonSchema {
  const made = JSON.stringify(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }));
  return JSON.parse(made, (key, value: unknown) => {
    if (key === "$schema" || key === "$defs") return undefined;
    const refers = typeof value === "object" && value !== null && "$ref" in value;
    return refers && String(value.$ref).startsWith("#/$defs/") ? { description: "Any JSON" } : value;
  }) as JsonSchema;
}

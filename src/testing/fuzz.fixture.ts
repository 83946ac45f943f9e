import fc, { type Arbitrary } from "fast-check";
import type { JsonSchema, OpenApiDocument, Operation } from "#shared/http/openapi-document.ts";

/** A request as it is sent, and what its operation says may come of it. */
export interface FuzzRequest {
  operation: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | null;
  documented: readonly string[];
}

interface Schema extends JsonSchema {
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
}

/** What is there in the engine that is asked, so that requests reach what lies behind the checks. */
export interface Known {
  /** Values by the name of a parameter or a field; `*` for all other texts. They are read anew for each request. */
  values: { [name: string]: string[]; "*": string[]; id: string[] };
  /** A body that is taken, by its operation. */
  bodies: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Texts that have broken something somewhere. */
const ODD_TEXTS = [
  "",
  " ",
  "\0",
  "a\0b",
  "\ud800",
  "\udc00x",
  "constructor",
  "__proto__",
  "toString",
  "' or 1=1--",
  "%00",
  "../../etc/passwd",
  "x".repeat(3_000),
  "-1",
  "0",
  "1e300",
  "1.5",
  "2147483648",
  "9007199254740993",
  "NaN",
  "null",
  "[[[[",
  '{"a":1}',
  "[1,2]",
  "😀",
  "\u202e",
  "BTC/USDT.paper",
];
const oddText = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...ODD_TEXTS) },
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ maxLength: 40 }),
);
const oddNumber = fc.constantFrom(-1, 0, 1.5, 2 ** 31, 2 ** 53, 1e300, -1e300, 5e-324);
const oddValue = fc.oneof(oddText, oddNumber, fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(null, true, [], {}));
const oddCursor = fc
  .oneof(
    fc.array(fc.oneof(oddText, oddNumber, fc.nat()), { maxLength: 4 }).map((parts) => JSON.stringify(parts)),
    oddText,
  )
  .map((text) => Buffer.from(text).toString("base64url"));

/** Values that a schema takes, as far as it says so itself; what is known under its name is among them. */
function valid(schema: Schema, known: Known, name = ""): Arbitrary<unknown> {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return fc.oneof(...choices.map((choice) => valid(choice, known, name)));
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case "string":
      return text(schema, known, name);
    case "integer":
    case "number":
      return fc.integer({ min: schema.minimum ?? 0, max: Math.min(schema.maximum ?? 1_000, 5_000) });
    case "boolean":
      return fc.boolean();
    case "array":
      return fc.array(valid(schema.items ?? {}, known, name), { minLength: 1, maxLength: 2 });
    case "object":
      return object(schema, (inner, field) => valid(inner, known, field));
    case undefined:
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function text(schema: Schema, { values }: Known, name: string): Arbitrary<string> {
  const named = (Object.hasOwn(values, name) ? values[name] : undefined) ?? values["*"];
  const there = fc.nat().map((index) => named[index % named.length] ?? "");
  if (schema.format === "uuid") return fc.oneof(fc.uuid(), there);
  const { minLength = 0, maxLength = 60 } = schema;
  const made = fc.string({ minLength, maxLength: Math.min(maxLength, 60) });
  return fc.oneof({ weight: 2, arbitrary: there }, fc.constantFrom("1", "12.5", "0.001"), made);
}

function object(
  schema: Schema,
  of: (inner: Schema, field: string) => Arbitrary<unknown>,
): Arbitrary<Record<string, unknown>> {
  const { properties = {}, required = [] } = schema;
  if (Object.keys(properties).length === 0)
    return fc.dictionary(fc.string({ maxLength: 8 }), fc.integer(), { maxKeys: 2 });
  const fields = Object.entries(properties).map(([name, inner]): [string, Arbitrary<unknown>] => [
    name,
    of(inner, name),
  ]);
  return fc.record(Object.fromEntries(fields), { requiredKeys: required });
}

/** The same with something wrong in it, at any depth. */
function broken(schema: Schema, known: Known, name = ""): Arbitrary<unknown> {
  if (schema.properties === undefined) return fc.oneof(oddValue, valid(schema, known, name));
  const fields = object(schema, (inner, field) =>
    fc.oneof({ weight: 8, arbitrary: valid(inner, known, field) }, broken(inner, known, field)),
  );
  const more = fc.dictionary(oddText, oddValue, { maxKeys: 1 });
  return fc.oneof(
    { weight: 4, arbitrary: fields },
    fc.tuple(fields, more).map((both) => Object.assign({}, ...both)),
    oddValue,
  );
}

/** A body that is taken, and the same with one of its fields changed. */
function nearly(body: Readonly<Record<string, unknown>>, schema: Schema, known: Known): Arbitrary<unknown> {
  const changed = Object.entries(schema.properties ?? {}).map(([name, inner]) =>
    fc.oneof(valid(inner, known, name), broken(inner, known, name)).map((value) => ({ ...body, [name]: value })),
  );
  return fc.oneof({ weight: Math.max(1, changed.length), arbitrary: fc.constant(body) }, ...changed);
}

function bodyOf(name: string, operation: Operation, known: Known): Arbitrary<string | null> {
  const schema = operation.requestBody?.content["application/json"]?.schema as Schema | undefined;
  const odd = fc.constantFrom("", "{", "null", "[".repeat(500), '{"a":"\\ud800"}', "\0", "a=1&b=2");
  if (schema === undefined) return fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, odd);
  const taken = known.bodies[name];
  const written = (values: Arbitrary<unknown>) => values.map((value) => JSON.stringify(value) ?? "");
  return fc.oneof(
    { weight: 8, arbitrary: written(valid(schema, known)) },
    { weight: 5, arbitrary: written(broken(schema, known)) },
    ...(taken === undefined ? [] : [{ weight: 12, arbitrary: written(nearly(taken, schema, known)) }]),
    odd,
  );
}

/** What HTTP lets stand in a header, and no more: the client refuses the rest. */
const headerText = oddText.map((value) => value.replace(/[^\x20-\x7e]/g, "").trim());
const oddHeaders = fc.record(
  {
    "content-type": fc.constantFrom("application/json", "application/JSON", "application/vnd.api+json", "text/plain"),
    "idempotency-key": headerText,
    "if-match": fc.oneof(headerText, fc.constantFrom("*", '"1"', "1", 'W/"1"')),
    "x-forwarded-user": headerText,
    "x-request-id": headerText,
    accept: headerText,
  },
  { requiredKeys: [] },
);

const headers = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Record<string, string>>({}) },
  { weight: 2, arbitrary: fc.constant<Record<string, string>>({ "if-match": "*" }) },
  oddHeaders,
);

/** Text as a URL carries it; half of a pair becomes the bytes that a careless client would send. */
function encoded(value: unknown): string {
  const raw = typeof value === "string" ? value : JSON.stringify(value);
  return Array.from(raw, (sign) => (sign.isWellFormed() ? encodeURIComponent(sign) : "%ED%A0%80")).join("");
}

function requestOf(
  { method, path, operation }: { method: string; path: string; operation: Operation },
  known: Known,
): Arbitrary<FuzzRequest> {
  const name = `${method} ${path}`;
  const parameters = (operation.parameters ?? []).filter((one) => one.in !== "header");
  const given = parameters.map((one) => {
    const odd = one.name === "cursor" ? oddCursor : oddText;
    const value = fc.oneof({ weight: 3, arbitrary: valid(one.schema as Schema, known, one.name) }, odd);
    const left = one.required || one.in === "path" ? value : fc.option(value, { freq: 1, nil: undefined });
    return left.map((chosen) => ({ ...one, value: chosen }));
  });
  const strange = fc.oneof({ weight: 12, arbitrary: fc.constant(null) }, fc.tuple(oddText, oddText));
  const parts = fc.tuple(fc.tuple(...given), strange, headers, bodyOf(name, operation, known));
  return parts.map(([values, extra, sent, body]) => {
    const inPath = values.filter((one) => one.in === "path");
    // A name that is empty, "." or ".." is another address.
    const segment = (value: unknown) => (["", ".", ".."].includes(String(value)) ? "-" : encoded(value));
    const filled = inPath.reduce((at, one) => at.replace(`{${one.name}}`, segment(one.value)), path);
    const query = values
      .filter((one) => one.in === "query" && one.value !== undefined)
      .map((one) => `${one.name}=${encoded(one.value)}`)
      .concat(extra === null ? [] : [extra.map(encoded).join("=")]);
    return {
      operation: name,
      method: method.toUpperCase(),
      path: `${filled}${query.length === 0 ? "" : `?${query.join("&")}`}`,
      headers: body === null ? sent : { "content-type": "application/json", ...sent },
      body: method === "get" ? null : body,
      documented: Object.keys(operation.responses),
    };
  });
}

/** Requests of every operation of a document, valid ones and broken ones. */
export function requests({ paths }: OpenApiDocument, known: Known): Arbitrary<FuzzRequest> {
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => requestOf({ method, path, operation }, known)),
  );
  return fc.oneof(...all);
}

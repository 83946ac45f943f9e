import { beforeAll, describe, expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { pino } from "pino";
import { Registry } from "prom-client";
import { z } from "zod";
import { ALERT_KINDS, SERVICES } from "#local/services.ts";
import { systemClock } from "#shared/clock/system.ts";
import { createMemoryDb } from "#shared/db/memory.ts";
import { faultsOf } from "#shared/errors/field-error.ts";
import { createHttpApp } from "#shared/http/http-app.ts";
import type { JsonSchema, OpenApiDocument, Operation } from "#shared/http/openapi-document.ts";
import { exampleOf } from "#shared/http/try-it.ts";
import type { Deps } from "#shared/service/service.ts";

const log = pino({ level: "silent" });
// Routes are only read here: no other port is ever called.
const exchanges = { accounts: [], venues: [] };
const queue = { backlog: () => Promise.resolve([]) };
const deps = { log, clock: systemClock, db: createMemoryDb(), exchanges, clients: {}, alertKinds: ALERT_KINDS, queue };
const services = SERVICES.map((definition) => ({
  ...definition,
  ...definition.create(deps as unknown as Deps, definition.settings.parse({})),
}));
const app = createHttpApp({
  services,
  account: null,
  version: "1.2.3",
  pid: 1,
  log,
  registry: new Registry(),
  maxBodyBytes: 1_000,
  hosts: { own: new Set(), pages: new Set() },
  checkAnswers: true,
});
const get = async (path: string) => app.handle(new Request(`http://localhost${path}`));

let document: OpenApiDocument;
let operations: [name: string, operation: Operation][];

beforeAll(async () => {
  document = (await (await get("/openapi.json")).json()) as OpenApiDocument;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [`${method} ${path}`, operation]),
  );
});

describe("the OpenAPI document of all services", () => {
  test("is valid", async () => {
    // A copy of its own: the validator resolves references in place.
    const copy = (await (await get("/openapi.json")).json()) as Record<string, unknown>;
    const { valid, errors } = await new Validator().validate(copy);
    expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
  });

  test("refers to nothing that is not there", () => {
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref as string);
    expect(refs.length).toBeGreaterThan(0);
    for (const ref of new Set(refs)) {
      const parts = ref.replace(/^#\//, "").split("/");
      const found = parts.reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], document);
      expect([ref, typeof found]).toEqual([ref, "object"]);
    }
  });

  test("has operations of HTTP alone, each with a summary and a tag that is explained", () => {
    const tags = document.tags.map(({ name }) => name);
    for (const [name, operation] of operations) {
      expect(name).toMatch(/^(get|post|put|patch|delete) \//);
      expect([name, operation.summary]).toEqual([name, expect.stringMatching(/^[A-Z].{10,}/)]);
      expect([name, tags]).toEqual([name, expect.arrayContaining(operation.tags)]);
    }
    expect(new Set(operations.flatMap(([, { tags: own }]) => own))).toEqual(new Set(tags));
  });

  test("says of each what it answers, and names every status with which it is refused; a fault of ours (500) is none", () => {
    for (const [name, { responses }] of operations) {
      expect([name, Object.keys(responses).filter((status) => !/^([1-4]\d\d|50[234])$/.test(status))]).toEqual([
        name,
        [],
      ]);
      const refusals = name.includes(" /api/") ? ["400", "403", "413", "422", "503"] : ["400", "403"];
      expect([name, Object.keys(responses)]).toEqual([name, expect.arrayContaining(refusals)]);
      const good = Object.entries(responses).filter(([status]) => status.startsWith("2"));
      expect([name, good.length]).toEqual([name, 1]);
      for (const [status, { content = {} }] of good) {
        const schemas = Object.values(content).filter(({ schema }) => schema !== undefined);
        expect([name, schemas.length]).toEqual([name, status === "204" ? 0 : 1]);
      }
      expect([name, responses["400"]]).toEqual([name, { $ref: "#/components/responses/Problem" }]);
    }
  });

  test("describes every field that a service is given or answers", () => {
    const bare = new Set<string>();
    const walk = (
      at: string,
      { properties, items, additionalProperties, anyOf = [], oneOf = [] }: JsonSchema,
    ): void => {
      for (const [name, field] of Object.entries(properties ?? {})) {
        if (field.description === undefined) bare.add(`${at} ${name}`);
        walk(`${at} ${name}`, field);
      }
      if (items !== undefined) walk(`${at}[]`, items);
      if (typeof additionalProperties === "object") walk(`${at}.*`, additionalProperties);
      for (const choice of [...anyOf, ...oneOf]) walk(at, choice);
    };
    for (const [name, { parameters = [], requestBody, responses }] of operations) {
      if (!name.includes(" /api/")) continue;
      for (const { name: parameter, description } of parameters)
        if (description === undefined) bare.add(`${name} ${parameter}`);
      for (const { content = {} } of [
        requestBody ?? {},
        ...Object.values(responses),
      ] as Operation["responses"][string][])
        for (const { schema = {} } of Object.values(content)) walk(name, schema);
    }
    expect([...bare]).toEqual([]);
  });

  test("says which bodies may be left out", () => {
    const optional = operations.filter(([, { requestBody }]) => requestBody?.required === false).map(([name]) => name);
    expect(optional.toSorted()).toEqual([
      "post /api/session-manager/sessions/{id}/copy",
      "post /api/session-manager/sessions/{id}/stop",
    ]);
  });

  test("takes JSON bodies, and files alone of another type", () => {
    const files = new Map([
      ["post /api/market-data/candles/csv", "text/csv"],
      ["post /api/market-data/candles/parquet", "application/vnd.apache.parquet"],
    ]);
    for (const [name, { requestBody }] of operations) {
      if (requestBody === undefined) continue;
      expect([name, Object.keys(requestBody.content)]).toEqual([name, [files.get(name) ?? "application/json"]]);
    }
  });
});

test("every route of a service refuses names in the query that it does not know", () => {
  // The simulated venue's own protocol reads its parameters itself.
  const routes = app.routes.filter(({ path, method }) => path.startsWith("/api/") && !["ALL", "WS"].includes(method));
  expect(routes.length).toBeGreaterThan(25);
  for (const { path, hooks } of routes) {
    const query: unknown = hooks.query;
    const accepts = query instanceof z.ZodObject && query.safeParse({ no_such_name: "1" }).error?.issues;
    const refused = query === undefined || JSON.stringify(accepts).includes("unrecognized_keys");
    expect([path, refused]).toEqual([path, true]);
  }
});

describe("the pages for a person", () => {
  test.each([
    ["/", ["session-manager", 'href="/api/session-manager/sessions"', 'href="/openapi"', 'href="/metrics"'], 0],
    ["/openapi", ["/api/backtest/runs/{id}/orders", "riskPolicy.sizing.method", "Idempotency-Key".toLowerCase()], 1],
  ])("%s is readable without a script, and needs nothing from elsewhere", async (path, said, scripts) => {
    const answer = await get(path);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    const html = await answer.text();
    for (const text of said) expect(html).toContain(text);
    // What stands in a field is only text.
    expect(html.replaceAll(/(<textarea[^>]*>)[^<]*/g, "$1")).not.toMatch(/<link|https?:\/\/| src=/);
    const texts = [...html.matchAll(/<script>(.*?)<\/script>/gs)].map(([, text = ""]) => text);
    const hashes = texts.map((text) => new Bun.CryptoHasher("sha256").update(text).digest("base64"));
    expect([texts.length, html.split("<script").length - 1]).toEqual([scripts, scripts]);
    const policy = answer.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("frame-ancestors 'none'; form-action 'none'; base-uri 'none'");
    expect(policy).toStartWith("default-src 'none'; ");
    expect([...policy.matchAll(/'sha256-(.*?)'/g)].map(([, hash]) => hash)).toEqual(hashes);
  });

  test("/openapi has a form to try each operation of a service", async () => {
    const html = await (await get("/openapi")).text();
    const forms = [...html.matchAll(/<form data-method="(\w+)" data-path="([^"]+)" hidden>/g)];
    const named = forms.map(([, method = "", path = ""]) => `${method.toLowerCase()} ${path}`);
    expect(named.toSorted()).toEqual(
      operations
        .map(([name]) => name)
        .filter((name) => name.includes(" /api/"))
        .toSorted(),
    );
  });

  test("a form begins with an example that the operation takes", () => {
    for (const [name, { requestBody }] of operations) {
      const schema = requestBody?.content["application/json"]?.schema;
      const [method = "", path = ""] = name.split(" ");
      const route = app.routes.find(
        (one) => one.method.toLowerCase() === method && one.path.replaceAll(/:(\w+)/g, "{$1}") === path,
      );
      const body: unknown = route?.hooks.body;
      if (schema === undefined || !(body instanceof z.ZodType)) continue;
      expect([name, faultsOf(body, exampleOf(schema))]).toEqual([name, []]);
    }
  });
});

import { describe, expect, test } from "bun:test";
import pino from "pino";
import { problemSchema } from "./problem.ts";
import { createThingsApp, SECRET } from "./things.fixture.ts";

async function call(path: string, init: RequestInit = {}, app = createThingsApp()) {
  const answer = await app.handle(new Request(`http://localhost${path}`, init));
  const text = await answer.text();
  return { answer, text, json: answer.headers.get("content-type")?.includes("json") ? JSON.parse(text) : undefined };
}

function post(body: string, type = "application/json", more: Record<string, string> = {}): RequestInit {
  return {
    method: "POST",
    body,
    headers: { "content-type": type, "content-length": String(body.length), ...more },
  };
}

describe("the HTTP app", () => {
  test("answers with what the schema says, defaults filled in", async () => {
    const { answer, json } = await call("/api/things", post('{"size":1}'));
    expect(answer.status).toBe(201);
    expect(json).toEqual({ size: 1, tags: [] });
  });

  test("names each wrong field and never echoes a value", async () => {
    const { answer, text, json } = await call(
      "/api/things",
      post(JSON.stringify({ size: SECRET, tags: ["ok", SECRET] })),
    );
    expect(answer.status).toBe(422);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(problemSchema.parse(json).errors?.map((error) => error.field)).toEqual(["size", "tags.1"]);
    expect(text).not.toContain(SECRET);
  });

  test("says that a field of the query is meant", async () => {
    const { answer, json } = await call("/api/things?limit=99");
    expect(answer.status).toBe(422);
    expect(json.errors).toEqual([{ field: "query.limit", message: "must be at most 10" }]);
  });

  test.each([
    ["/api/things?limt=1", {}, "is not known here; known: limit"],
    ["/api/things/missing?limt=1", {}, "is not known here; nothing may stand here"],
    ["/api/things?limt=1", post('{"size":1}'), "is not known here; nothing may stand here"],
  ])("refuses a name in the query that it does not know: %s %p", async (path, init, message) => {
    const { answer, json } = await call(path, init);
    expect(answer.status).toBe(422);
    expect(json.errors).toEqual([{ field: "query.limt", message }]);
  });

  test.each([
    ["malformed JSON", 400, "/api/things", post(`{"size": ${SECRET}`)],
    ["a body that is missing", 422, "/api/things", { method: "POST" }],
    ["a body of another type", 415, "/api/things", post("size=1", "application/x-www-form-urlencoded")],
    ["a body that is too large", 413, "/api/things", post(JSON.stringify({ size: "x".repeat(2_000) }))],
    ["an address that is not there", 404, "/api/nothing", {}],
    ["a method that is not there", 405, "/api/things", { method: "DELETE" }],
    ["a thing that is not there", 404, "/api/things/missing", {}],
    ["a conflict", 409, "/api/things/conflict", {}],
    ["an outage", 503, "/api/things/outage", {}],
    ["a bug", 500, "/api/things/bug", {}],
    ["an answer that breaks its contract, where tests check it", 500, "/api/things/wrong", {}],
    ["an answer with a field that its contract does not name, where tests check it", 500, "/api/things/more", {}],
    ["an answer of a status that is not documented, where tests check it", 500, "/api/things/undocumented", {}],
  ] as const)("gives problem details for %s", async (_name, status, path, init) => {
    const { answer, text, json } = await call(path, init as RequestInit);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(problemSchema.parse(json).status).toBe(status);
    expect(json.requestId).toBe(answer.headers.get("x-request-id"));
    expect(text).not.toContain(SECRET);
  });
});

describe("the log", () => {
  test("has ever fewer lines of a refusal that goes on, and all of it of a bug", async () => {
    const lines: { msg: string; failures?: number }[] = [];
    const log = pino({ level: "warn" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const app = createThingsApp({ log });
    for (let time = 0; time < 10; time += 1) await call("/api/things/outage", {}, app);
    for (let time = 0; time < 3; time += 1) await call("/api/things/bug", {}, app);
    expect(lines.map(({ msg, failures }) => failures ?? msg)).toEqual([1, 2, 4, 8, ...Array(3).fill("request failed")]);
  });
});

describe("an answer", () => {
  test("goes out as it is, unchecked, with its status and headers, where no test runs", async () => {
    const app = createThingsApp({ checkAnswers: false });
    expect((await call("/api/things/wrong", {}, app)).json).toEqual({ size: "text" });
    expect((await call("/api/things/undocumented", {}, app)).answer.status).toBe(202);
    const { answer, text } = await call("/api/things", post('{"size":1}'), app);
    expect([answer.status, text]).toEqual([201, '{"size":1,"tags":[]}']);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("x-request-id")).not.toBeNull();
  });
});

describe("problem details", () => {
  test("shows what a conflict would allow", async () => {
    const { json } = await call("/api/things/conflict");
    expect(json.allowed).toEqual(["STOPPING"]);
    expect(json.detail).toBe("It is RUNNING.");
  });

  test("tells which methods an address takes", async () => {
    const { answer } = await call("/api/things", { method: "DELETE" });
    expect(answer.headers.get("allow")).toBe("GET, HEAD, OPTIONS, POST");
  });
});

describe("the process' own routes", () => {
  test("keeps a request id that it was given and refuses one that is not printable", async () => {
    const given = await call("/livez", { headers: { "x-request-id": "abc-1" } });
    expect(given.answer.headers.get("x-request-id")).toBe("abc-1");
    const long = await call("/livez", { headers: { "x-request-id": "a".repeat(200) } });
    expect(long.answer.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("is ready once every service is, and says what is waited for", async () => {
    const ready = await call("/readyz");
    expect([ready.answer.status, ready.json.pid]).toEqual([200, 7]);
    const waiting = await call("/readyz", {}, createThingsApp({}, ["the database"]));
    expect(waiting.answer.status).toBe(503);
    expect(waiting.json.services.things).toEqual({ ready: false, waitsFor: ["the database"] });
  });

  test("counts requests by their route", async () => {
    const app = createThingsApp();
    await call("/api/things/conflict", {}, app);
    // The count follows the answer: another tick of the event loop later.
    await new Promise(setImmediate);
    const { text } = await call("/metrics", {}, app);
    expect(text).toMatch(
      /http_request_duration_seconds_count\{method="GET",route="\/api\/things\/conflict",status="409"\} 1/,
    );
  });

  test("counts requests that are turned away before any route", async () => {
    const app = createThingsApp();
    await call("/api/things/conflict", { headers: { origin: "http://evil.example" } }, app);
    const { text } = await call("/metrics", {}, app);
    expect(text).toMatch(/http_request_duration_seconds_count\{method="GET",route="none",status="403"\} 1/);
  });

  test("describes bodies, queries and answers in OpenAPI", async () => {
    const { json } = await call("/openapi.json");
    expect(json.openapi).toStartWith("3.");
    const { get, post: create } = json.paths["/api/things/"];
    expect(create.requestBody.content["application/json"].schema.properties.size.type).toBe("number");
    expect(create.responses["201"].content["application/json"].schema.properties.tags.type).toBe("array");
    expect(get.parameters[0].name).toBe("limit");
    expect(Object.keys(json.paths)).toContain("/readyz");
  });
});

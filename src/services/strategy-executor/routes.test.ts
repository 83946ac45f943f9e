import { expect, test } from "bun:test";
import { pino } from "pino";
import type { Deps } from "#shared/service/service.ts";
import { createInlineHost } from "#shared/strategy-threads/inline-host.fixture.ts";
import { flip } from "#strategies/flip.ts";
import { smaCross } from "#strategies/sma-cross.ts";
import { createRoutes } from "./routes.ts";

const routes = createRoutes({
  deps: {
    log: pino({ level: "silent" }),
    db: {},
    strategies: { ...createInlineHost([smaCross, flip]), faults: () => ["other.ts cannot be loaded"] },
  } as unknown as Deps,
});

async function call(path: string, body?: unknown) {
  const init = { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const request = new Request(`http://localhost/api/strategy-executor${path}`, body === undefined ? {} : init);
  const answer = await routes.handle(request);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

test("GET /strategies lists them with the JSON schemas of their parameters", async () => {
  const { status, body } = await call("/strategies");
  expect(status).toBe(200);
  expect(body["faults"]).toEqual(["other.ts cannot be loaded"]);
  const [first] = body["items"] as Record<string, unknown>[];
  expect(first).toMatchObject({ name: "sma-cross", version: "1.0.0", forming: false });
  expect(first?.["params"]).toMatchObject({ type: "object", properties: { slow: { default: 30 } } });
});

test("GET /strategies/:name: one of them, or 404", async () => {
  expect((await call("/strategies/flip")).body).toMatchObject({ name: "flip", forming: true });
  expect((await call("/strategies/none")).status).toBe(404);
});

test.each([
  [
    { strategy: "sma-cross", params: { fast: 5 } },
    { kind: "valid", strategyVersion: "1.0.0", params: { fast: 5, slow: 30 } },
  ],
  [
    { strategy: "none", params: {} },
    { kind: "unknown-strategy", known: ["sma-cross", "flip"], faults: [] },
  ],
  [
    { strategy: "flip", params: { a: 1 } },
    { kind: "invalid-params", errors: [{ field: "params.a", message: "is not known here; nothing may stand here" }] },
  ],
])("POST /strategies/validate of %p", async (body, expected) => {
  expect(await call("/strategies/validate", body)).toEqual({ status: 200, body: expected });
});

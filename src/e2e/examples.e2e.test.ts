import { afterAll, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "#local/ports.ts";
import { endLeftovers } from "#local/process-record.ts";
import { getJson, postJson } from "#local/rest.ts";
import { removeData } from "#local/servers.ts";
import type { OpenApiDocument } from "#shared/http/openapi-document.ts";
import { exampleOf } from "#shared/http/try-it.ts";
import { eventually } from "#testing/alone.fixture.ts";
import { runUp } from "#testing/up.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "examples-"));
afterAll(async () => {
  await endLeftovers(join(folder, "processes"));
  removeData(folder);
});

/** Needs something that a good day has not: an execution that could not be booked. */
const NOTHING_THERE = ["/api/order-position-tracker/unbooked/discard"];
/** After all others: they end what the others need. */
const KILL = "/api/risk-manager/kill";
const RELEASE = "/api/risk-manager/release";
const BULK = "/api/session-manager/sessions/bulk";

test("bin/up takes every example of the document as it stands", async () => {
  const settings = { R3_DATA_FOLDER: folder, R3_HTTP_PORT: String(await freePort()) };
  const ended = await runUp(settings, ["--bars", "12"], async (api) => {
    const origin = new URL(api).origin;
    const { paths } = (await getJson(`${origin}/openapi.json`)) as OpenApiDocument;
    const exampleAt = (path: string) => {
      const schema = paths[path]?.["post"]?.requestBody?.content["application/json"]?.schema;
      return schema === undefined ? undefined : exampleOf(schema);
    };
    // It throws where the example is refused.
    const send = async (path: string, of = path) =>
      (await postJson(`${origin}${path}`, exampleAt(of))).body as Record<string, unknown>;
    const later = [KILL, RELEASE, BULK, ...NOTHING_THERE];
    const simple = Object.keys(paths).filter((path) => !path.includes("{") && exampleAt(path) !== undefined);
    const answers = new Map<string, Record<string, unknown>>();
    for (const path of simple) if (!later.includes(path)) answers.set(path, await send(path));
    expect(answers.size).toBeGreaterThan(8);

    const session = String(answers.get("/api/session-manager/sessions")?.["id"]);
    await send(`/api/session-manager/sessions/${session}/copy`, "/api/session-manager/sessions/{id}/copy");
    await send(BULK);
    const { id } = await send(KILL);
    const isFlat = async () =>
      ((await getJson(`${origin}${KILL}/${String(id)}`)) as { state: string }).state === "FLAT";
    await eventually("all is flat", isFlat, 30_000);
    await send(RELEASE);
  });
  expect(ended.code).toBe(0);
}, 180_000);

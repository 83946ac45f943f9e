import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import fc from "fast-check";
import { getJson, postJson } from "#local/rest.ts";
import { ROOT } from "#local/root.ts";
import type { OpenApiDocument } from "#shared/http/openapi-document.ts";
import { ACCOUNT, INSTRUMENT, type RunningApi, sessionBody, startApi, TICKER } from "#testing/api.fixture.ts";
import { type FuzzRequest, type Known, requests } from "#testing/fuzz.fixture.ts";
import type { Watched } from "#testing/watch-life.fixture.ts";

/** How many requests are made, and from which seed: `FUZZ_REQUESTS=10000 FUZZ_SEED=7 bin/test src/e2e/fuzz.e2e.test.ts`. */
const COUNT = Number(import.meta.env["FUZZ_REQUESTS"] ?? "3000");
const SEED = Number(import.meta.env["FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

let api: RunningApi;
beforeAll(async () => {
  api = await startApi({ R3_PAPER_EXCHANGE_CONTROL: "true" });
}, 90_000);
afterAll(async () => await api.close());

/** Watches /livez from a thread of its own; ended, it gives how long each answer took without what it waited for a core, sorted. */
function watchLife({ url, pid }: Watched): () => Promise<number[]> {
  const worker = new Worker(join(ROOT, "src/testing/watch-life.fixture.ts"));
  worker.postMessage({ url, pid });
  return async () => {
    const took = new Promise<number[]>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<number[]>) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
    worker.postMessage(null);
    const sorted = await took;
    worker.terminate();
    return sorted;
  };
}

async function send({ method, path, headers, body }: FuzzRequest): Promise<{ status: number; text: string }> {
  const init = { method, headers, ...(body === null ? {} : { body }) };
  const answer = await fetch(`${api.process.url}${path}`, init);
  return { status: answer.status, text: await answer.text() };
}

/** What there is: the session with its orders, a backtest, and a market that may misbehave without harm to the engine. */
async function whatIsThere(): Promise<Known> {
  const { name: _name, instrumentIds: _ids, accountId: _account, ...run } = sessionBody();
  const runBody = { ...run, instrumentId: INSTRUMENT, fromN: 1, toN: 100 };
  const { id: runId } = (await postJson(`${api.url}/backtest/runs`, runBody)).body as { id: string };
  const orders = await getJson(`${api.url}/order-position-tracker/orders?limit=1&sessionId=${api.sessionId}`);
  const [order] = (orders as { items: { id: string }[] }).items;
  return {
    values: {
      "*": [api.sessionId, ACCOUNT, INSTRUMENT, "sma-cross", "paper", "1s"],
      id: [api.sessionId, order?.id ?? "", runId, ACCOUNT, "sma-cross"],
      marketId: [TICKER],
      instrumentId: [INSTRUMENT],
    },
    bodies: {
      "post /api/session-manager/sessions": sessionBody(),
      "patch /api/session-manager/sessions/{id}": { name: "Fuzzed" },
      "post /api/backtest/runs": runBody,
      "post /api/paper-exchange/markets/{marketId}/control/faults": { seed: 1, faults: [] },
      "post /api/paper-exchange/markets/{marketId}/control/tick": { price: "30000" },
    },
  };
}

/** What came of the requests, counted. */
function createCounts() {
  const statuses = new Map<string, number>();
  const asked = new Set<string>();
  const taken = new Set<string>();
  return {
    note(operation: string, status: number) {
      statuses.set(String(status), (statuses.get(String(status)) ?? 0) + 1);
      asked.add(operation);
      if (status < 300) taken.add(operation);
    },
    asked,
    inWords: () =>
      `${JSON.stringify(Object.fromEntries(statuses))}; ${taken.size} of ${asked.size} operations took one`,
  };
}

test(`${COUNT} requests made from the OpenAPI document: no 5xx, no status that it does not name, and the process lives`, async () => {
  const document = (await (await fetch(`${api.process.url}/openapi.json`)).json()) as OpenApiDocument;
  const known = await whatIsThere();
  const stopWatching = watchLife(api.process);
  const counts = createCounts();
  const property = fc.asyncProperty(requests(document, known), async (request) => {
    const { status, text } = await send(request);
    counts.note(request.operation, status);
    if (status === 201 || status === 202) known.values.id.push((JSON.parse(text) as { id: string }).id);
    const isFine = status < 500 && request.documented.includes(String(status));
    expect([request.operation, status, isFine ? "" : text]).toEqual([request.operation, status, ""]);
  });
  await fc.assert(property, { numRuns: COUNT, seed: SEED });
  const took = await stopWatching();
  const median = took[Math.floor(took.length / 2)] ?? Number.NaN;
  const longest = took.at(-1) ?? Number.NaN;
  process.stdout.write(
    `seed ${SEED}, ${COUNT} requests: ${counts.inWords()}; ` +
      `/livez ${took.length} times, median ${median.toFixed(1)} ms, longest ${longest.toFixed(1)} ms\n`,
  );
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  expect([...counts.asked].toSorted()).toEqual(operations.toSorted());
  expect(median).toBeLessThan(50);
  expect(longest).toBeLessThan(500);
  expect(api.process.log.filter((line) => line.includes('"msg":"request failed"'))).toEqual([]);
}, 220_000);

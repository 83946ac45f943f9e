import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import type { OpenApiDocument } from "#shared/http/openapi-document.ts";
import { ACCOUNT, INSTRUMENT, type RunningApi, startApi } from "./api.fixture.ts";
import { type FuzzRequest, requests } from "./fuzz.fixture.ts";

/** How many requests are made, and from which seed: `FUZZ_REQUESTS=10000 FUZZ_SEED=7 bin/test bin/fuzz.e2e.test.ts`. */
const COUNT = Number(import.meta.env["FUZZ_REQUESTS"] ?? "1500");
const SEED = Number(import.meta.env["FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
}, 90_000);
afterAll(async () => await api.close());

/** Watches /livez from a thread of its own; ended, it gives how long each answer took, sorted. */
function watchLife(url: string): () => Promise<number[]> {
  const worker = new Worker(new URL("./watch-life.fixture.ts", import.meta.url).href);
  worker.postMessage(url);
  return async () => {
    const took = new Promise<number[]>((resolve) => {
      worker.onmessage = ({ data }: MessageEvent<number[]>) => resolve(data);
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
    inWords: () => `${[...statuses].toSorted().join(" ")}; ${taken.size} of ${asked.size} operations took one`,
  };
}

test(`${COUNT} requests made from the OpenAPI document: no 5xx, no status that it does not name, and the process lives`, async () => {
  const document = (await (await fetch(`${api.process.url}/openapi.json`)).json()) as OpenApiDocument;
  const known = [api.sessionId, ACCOUNT, INSTRUMENT, "sma-cross", "paper", "made-up", "1s"];
  const stopWatching = watchLife(api.process.url);
  const counts = createCounts();
  const property = fc.asyncProperty(requests(document, known), async (request) => {
    const { status, text } = await send(request);
    counts.note(request.operation, status);
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

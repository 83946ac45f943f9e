import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import type { OpenApiDocument } from "#shared/http/openapi-document.ts";
import { ACCOUNT, INSTRUMENT, type RunningApi, startApi } from "./api.fixture.ts";
import { type FuzzRequest, requests } from "./fuzz.fixture.ts";

/** How many requests are made, and from which seed: `FUZZ_REQUESTS=10000 FUZZ_SEED=7 bin/test bin/fuzz.e2e.test.ts`. */
const COUNT = Number(import.meta.env["FUZZ_REQUESTS"] ?? "400");
const SEED = import.meta.env["FUZZ_SEED"];

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

test(`${COUNT} requests made from the OpenAPI document: no 5xx, no status that it does not name, and the process lives`, async () => {
  const document = (await (await fetch(`${api.process.url}/openapi.json`)).json()) as OpenApiDocument;
  const known = [api.sessionId, ACCOUNT, INSTRUMENT, "sma-cross", "paper", "made-up", "1s"];
  const stopWatching = watchLife(api.process.url);
  const statuses = new Map<number, number>();
  const property = fc.asyncProperty(requests(document, known), async (request) => {
    const { status, text } = await send(request);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const isFine = status < 500 && request.documented.includes(String(status));
    expect([request.operation, status, isFine ? "" : text]).toEqual([request.operation, status, ""]);
  });
  await fc.assert(property, { numRuns: COUNT, ...(SEED === undefined ? {} : { seed: Number(SEED) }) });
  const took = await stopWatching();
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0;
  process.stdout.write(
    `${COUNT} requests: ${JSON.stringify(Object.fromEntries(statuses))}; /livez median ${at(0.5).toFixed(1)}, ` +
      `p99 ${at(0.99).toFixed(1)}, longest ${at(1).toFixed(1)} ms\n`,
  );
  expect(at(0.99)).toBeLessThan(50);
  expect(api.process.log.filter((line) => line.includes('"msg":"request failed"'))).toEqual([]);
}, 220_000);

import { afterAll, expect, test } from "bun:test";
import { z } from "zod";
import { AppError } from "#shared/errors/app-error.ts";
import { elsewhere } from "./create-clients.ts";
import { createJsonClient } from "./json-client.ts";
import { PROBLEM_TYPE, problemOf } from "./problem.ts";

function refusal(error: unknown): Response {
  const problem = problemOf(error);
  return Response.json(problem, { status: problem.status, headers: { "content-type": PROBLEM_TYPE } });
}

const ANSWERS: Record<string, () => Response> = {
  "/api/things/other": () => Response.json({ items: [] }),
  "/api/things/text": () => new Response("<html>"),
  "/api/things/waits": () => refusal(new AppError("VENUE_REFUSED", "permanent", "The venue has no such bars.")),
  "/api/things/banned": () => refusal(new AppError("VENUE_BANNED", "transient", "It takes nothing until noon.")),
  "/api/things/broken": () => refusal(new TypeError("x is not a function")),
  "/api/things/missing": () => new Response(null, { status: 404 }),
};
const server = Bun.serve({ port: 0, fetch: ({ url }) => ANSWERS[new URL(url).pathname]?.() ?? Response.json({}) });
afterAll(() => server.stop(true));

const client = createJsonClient({ service: "things", place: elsewhere(server.url.origin), timeoutMs: 2_000 });
const ask = (path: string) => client.ask({ path, answer: z.object({ id: z.string() }) });

test.each([
  ["/other", "The service things gave an answer that is not as agreed."],
  ["/text", "The service things gave an answer that is not JSON."],
])("an answer of %s is SERVICE_UNAVAILABLE, and what was wrong in it is for the log alone", async (path, detail) => {
  const error = await ask(path).catch((thrown: unknown) => thrown);
  expect(problemOf(error)).toMatchObject({ status: 503, code: "SERVICE_UNAVAILABLE", detail });
  expect((error as AppError).cause).toBeInstanceOf(Error);
});

test.each([
  ["/waits", "The service things answered with 502: The venue has no such bars."],
  ["/banned", "The service things answered with 503: It takes nothing until noon."],
  ["/broken", "The service things answered with 500."],
])("what a service waits for itself is passed on, its inside is not: %s", async (path, detail) => {
  expect(problemOf(await ask(path).catch((thrown: unknown) => thrown))).toMatchObject({ status: 503, detail });
});

test("a 404 is null", async () => {
  expect(await ask("/missing")).toBeNull();
});

test("the same question, asked while it is under way, is asked once where that may be shared", async () => {
  const answers: (() => void)[] = [];
  const send = (): Promise<Response> =>
    new Promise((resolve) => answers.push(() => resolve(Response.json({ id: String(answers.length) }))));
  const things = createJsonClient({
    service: "things",
    place: { baseUrl: () => "http://127.0.0.1", send },
    timeoutMs: 2_000,
  });
  const answer = z.object({ id: z.string() });
  const asked = [
    things.ask({ path: "/a", query: { from: 1 }, shared: true, answer }),
    things.ask({ path: "/a", query: { from: 1 }, shared: true, answer }),
    things.ask({ path: "/a", query: { from: 2 }, shared: true, answer }),
    things.ask({ path: "/a", query: { from: 1 }, answer }),
  ];
  await Bun.sleep(0);
  expect(answers.length).toBe(3);
  for (const give of answers) give();
  const [first, second] = await Promise.all(asked);
  expect(second).toBe(first as { id: string });
  const again = things.ask({ path: "/a", query: { from: 1 }, shared: true, answer });
  await Bun.sleep(0);
  expect(answers.length).toBe(4);
  answers[3]?.();
  await again;
});

test("a service that does not answer in time is SERVICE_UNAVAILABLE, in this process too", async () => {
  const place = { baseUrl: () => "http://127.0.0.1", send: () => new Promise<Response>(() => undefined) };
  const things = createJsonClient({ service: "things", place, timeoutMs: 50 });
  const error = await things.ask({ path: "/", answer: z.unknown() }).catch((thrown: unknown) => thrown);
  expect(problemOf(error)).toMatchObject({ status: 503, code: "SERVICE_UNAVAILABLE" });
});

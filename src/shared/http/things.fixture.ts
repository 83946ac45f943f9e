import pino, { type Logger } from "pino";
import { Registry } from "prom-client";
import { z } from "zod";
import { AppError } from "#shared/errors/app-error.ts";
import { createHttpApp, type HttpAppOptions } from "./http-app.ts";
import { httpBase } from "./http-base.ts";
import { listen } from "./listen.ts";
import { knownHosts } from "./neighbours.ts";

/** What no answer may repeat. */
export const SECRET = "hunter2-is-no-number";

const thing = z.object({ size: z.number(), tags: z.array(z.string().max(3)).default([]) });

function createThings(log: Logger) {
  return httpBase("things", log)
    .post("/", ({ body, status }) => status(201, body), { body: thing, response: { 201: thing } })
    .get("/", ({ query }) => ({ limit: query.limit }), {
      query: z.strictObject({ limit: z.coerce.number().int().max(10).default(5) }),
      response: { 200: z.object({ limit: z.number() }) },
    })
    .post("/any", ({ body }) => ({ kind: typeof body.value }), {
      body: z.strictObject({ value: z.json() }),
      response: { 200: z.object({ kind: z.string() }) },
    })
    .post("/pause", () => ({ paused: true }), { response: { 200: z.object({ paused: z.boolean() }) } })
    .get("/wrong", () => ({ size: "text" }) as never, { response: { 200: thing } })
    .get("/more", () => ({ size: 1, tags: [], more: 1 }), { response: { 200: thing } })
    .get(
      "/undocumented",
      ({ set }) => {
        set.status = 202;
        return { size: 1, tags: [] };
      },
      { response: { 200: thing } },
    )
    .get("/conflict", () => {
      throw new AppError("CONFLICT", "permanent", "It is RUNNING.", { details: { allowed: ["STOPPING"] } });
    })
    .get("/missing", () => {
      throw new AppError("NOT_FOUND", "permanent", "No such thing.");
    })
    .get("/outage", () => {
      throw new AppError("DATABASE_UNAVAILABLE", "outage", "The database is away.", { details: { url: SECRET } });
    })
    .get("/bug", () => {
      throw new Error(SECRET);
    });
}

/** The app of one made-up service, with a route for each way in which a request may end. */
export function createThingsApp(more: Partial<HttpAppOptions> = {}, waitsFor: readonly string[] = []) {
  const log = more.log ?? pino({ level: "silent" });
  return createHttpApp({
    services: [{ name: "things", description: "Things", notReady: () => waitsFor, routes: createThings(log) }],
    account: null,
    version: "1.2.3",
    pid: 7,
    log,
    registry: new Registry(),
    maxBodyBytes: 1_000,
    hosts: knownHosts({ address: "127.0.0.1", urls: [], more: ["engine.example:8443"] }),
    checkAnswers: true,
    ...more,
  });
}

/** The same on a port of its own. */
export function listenToThings(more: Partial<HttpAppOptions> = {}) {
  return listen(createThingsApp({ maxBodyBytes: 1_048_576, ...more }), "127.0.0.1", 0);
}

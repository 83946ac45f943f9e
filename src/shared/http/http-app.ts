import { type AnyElysia, Elysia } from "elysia";
import type { Logger } from "pino";
import { Histogram, type Registry } from "prom-client";
import { z } from "zod";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import { createFailureRow, type FailureRow } from "#shared/telemetry/failure-row.ts";
import { checkAnswer, writeAnswer } from "./answers.ts";
import { escaped } from "./html.ts";
import { problemResponse } from "./http-base.ts";
import { indexPage } from "./index-page.ts";
import { type KnownHosts, refuseForeign } from "./neighbours.ts";
import { documentOf, type OpenApiDocument } from "./openapi-document.ts";
import { apiPage } from "./openapi-page.ts";
import { type Problem, problem, problemOf } from "./problem.ts";
import { assignRequestId, requestIdOf } from "./request-id.ts";

/** What the HTTP side of a process needs to know of a service in it. */
export interface HostedService {
  name: string;
  description: string;
  notReady(): readonly string[];
  routes?: AnyElysia;
  startPage?: () => Promise<string>;
}

export interface HttpAppOptions {
  services: readonly HostedService[];
  version: string;
  /** An account of the settings, which examples of the document name; null: there is none. */
  account: string | null;
  /** The process' id. */
  pid: number;
  log: Logger;
  registry: Registry;
  /** Bodies above this are 413. */
  maxBodyBytes: number;
  hosts: KnownHosts;
  /** Whether each answer is held against the schema of its route, for tests. */
  checkAnswers: boolean;
}

/**
 * WebSockets of all services. A longer message closes its socket (1009). One that says nothing is pinged, and closed where a
 * minute brings nothing of it: a peer that is gone, or reads no more.
 */
const SOCKETS = { maxPayloadLength: 16_384, idleTimeout: 60, sendPings: true };

const readySchema = z.object({
  ready: z.boolean(),
  /** Tells a process from another one that has taken its port. */
  pid: z.number().int(),
  services: z.record(z.string(), z.object({ ready: z.boolean(), waitsFor: z.array(z.string()) })),
});

/**
 * The one HTTP server of a process: the routes of its services, `/livez` (the process answers), `/readyz` (503 with what
 * each service waits for), `/metrics` (Prometheus), `/openapi.json`, and for a person `/` and `/openapi`. Every answer
 * carries X-Request-Id. `refuse` is the one place where a request is turned away before any route sees it.
 */
export function createHttpApp(options: HttpAppOptions) {
  const { services, log } = options;
  const startedAt = new WeakMap<Request, number>();
  const durations = durationsIn(options.registry);
  const refusals = new Map<string, FailureRow>();
  // Bun's own limit would answer without a body. Here each body has to say its length, and HTTP lets none be longer than
  // that.
  const app = new Elysia({ serve: { maxRequestBodySize: Number.MAX_SAFE_INTEGER }, websocket: SOCKETS })
    .onRequest(({ request, set }) => {
      startedAt.set(request, performance.now());
      set.headers["x-request-id"] = assignRequestId(request);
      const refused = refuse(request, options);
      if (refused === null) return undefined;
      // The framework tells nobody of what ends here.
      durations.observe({ method: request.method, route: "none", status: String(refused.status) }, 0);
      return problemResponse(refused, request, set.headers);
    })
    .onError(({ error, code, request, route, set }) => {
      const answer = problemOf(error);
      if (code === "NOT_FOUND" && !(error instanceof AppError)) {
        const allowed = allowedMethods(app.routes, new URL(request.url).pathname);
        if (allowed.length > 0) {
          if (request.method === "OPTIONS") return answerOptions(allowed, set);
          set.status = 405;
          const detail = `This address takes ${allowed.join(", ")}.`;
          const headers = { ...set.headers, allow: allowed.join(", ") };
          return problemResponse(problem(405, "METHOD_NOT_ALLOWED", detail, { allowed }), request, headers);
        }
      }
      set.status = answer.status;
      const requestId = requestIdOf(request);
      // What is away comes back, and the caller tries again: its lines come ever more rarely.
      if (answer.status > 500) {
        const failures = refusals.get(route) ?? createFailureRow();
        refusals.set(route, failures);
        const reason = messageOf(error);
        const isWorthALine = failures.note(reason);
        const context = { requestId, route, reason, cause: causeOf(error), failures: failures.count };
        if (isWorthALine) log.warn(context, "request refused for now");
      } else if (answer.status === 500) log.error({ err: error, requestId }, "request failed");
      return problemResponse(answer, request, set.headers);
    })
    .onAfterHandle((answer) => {
      if (options.checkAnswers) checkAnswer(app.routes, answer);
      return writeAnswer(answer);
    })
    .onAfterResponse(({ request, responseValue, route, set }) => {
      const began = startedAt.get(request);
      if (began === undefined) return;
      const status = responseValue instanceof Response ? responseValue.status : (set.status ?? 200);
      if (Number(status) < 500) refusals.get(route)?.clear();
      const labels = { method: request.method, route: route || "none", status: String(status) };
      durations.observe(labels, (performance.now() - began) / 1_000);
    })
    .use(health(options));
  for (const { routes } of services) if (routes !== undefined) app.use(routes);
  return app.use(documents(app, options));
}

/** What the answer does not say, since it speaks of our inside. */
function causeOf(error: unknown): string | undefined {
  return error instanceof AppError && error.cause !== undefined ? messageOf(error.cause) : undefined;
}

/** The first reason to turn a request away, of a WebSocket as well; null: it goes on to its route. */
function refuse(request: Request, { hosts, maxBodyBytes }: HttpAppOptions): Problem | null {
  return refuseForeign(request, hosts) ?? refuseBody(request.headers, maxBodyBytes);
}

function refuseBody(headers: Headers, maxBodyBytes: number): Problem | null {
  if (headers.has("transfer-encoding")) return problem(411, "LENGTH_REQUIRED", "The body has to say its length.");
  if (Number(headers.get("content-length") ?? "0") <= maxBodyBytes) return null;
  return problem(413, "BODY_TOO_LARGE", `The body may have ${maxBodyBytes} bytes at most.`);
}

function health({ services, registry, pid }: HttpAppOptions) {
  return new Elysia()
    .get("/livez", () => ({ alive: true as const }), {
      response: { 200: z.object({ alive: z.literal(true) }) },
      detail: { summary: "Whether the process answers" },
    })
    .get(
      "/readyz",
      ({ status }) => {
        const states = services.map((service) => ({ name: service.name, waitsFor: [...service.notReady()] }));
        const ready = states.every(({ waitsFor }) => waitsFor.length === 0);
        const answer = {
          ready,
          pid,
          services: Object.fromEntries(
            states.map(({ name, waitsFor }) => [name, { ready: waitsFor.length === 0, waitsFor }]),
          ),
        };
        return status(ready ? 200 : 503, answer);
      },
      {
        response: { 200: readySchema, 503: readySchema },
        detail: { summary: "Whether every service here takes work, and what it waits for" },
      },
    )
    .get(
      "/metrics",
      async () => new Response(await registry.metrics(), { headers: { "content-type": registry.contentType } }),
      {
        detail: {
          summary: "Metrics in Prometheus' text format",
          responses: { 200: { description: "As asked", content: { "text/plain": { schema: { type: "string" } } } } },
        },
      },
    );
}

/**
 * The contract of all routes of the app, for programs and for people. The pages are our own, since a viewer would load its
 * script from elsewhere.
 */
function documents(app: AnyElysia, options: HttpAppOptions) {
  let made: OpenApiDocument | null = null;
  const document = () => (made ??= documentOf(app, options));
  const hidden = { detail: { hide: true } };
  const sections = async () => (await Promise.all(options.services.map(sectionOf))).join("");
  return new Elysia()
    .get("/", async () => indexPage(document(), await sections()), hidden)
    .get("/openapi", () => apiPage(document()), hidden)
    .get("/openapi.json", () => document(), hidden);
}

/** What cannot be read now is said in its place: the page is looked at most while something is away. */
async function sectionOf({ name, startPage }: HostedService): Promise<string> {
  if (startPage === undefined) return "";
  return startPage().catch((error: unknown) => `<p>${escaped(`${name}: ${messageOf(error)}`)}</p>`);
}

function durationsIn(registry: Registry) {
  return new Histogram({
    name: "http_request_duration_seconds",
    help: "From the request's arrival to the end of its answer",
    labelNames: ["method", "route", "status"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [registry],
  });
}

/** The methods that some route takes at this path. Empty: there is none. */
function allowedMethods(routes: readonly { method: string; path: string }[], path: string): string[] {
  const wanted = segmentsOf(path);
  const methods = routes
    .filter((route) => matches(segmentsOf(route.path), wanted))
    // A WebSocket begins as a GET.
    .map(({ method }) => (method === "WS" ? "GET" : method));
  if (methods.length === 0) return [];
  const more = methods.includes("GET") ? ["HEAD", "OPTIONS"] : ["OPTIONS"];
  return [...new Set([...methods, ...more])].filter((method) => method !== "ALL").toSorted();
}

function answerOptions(allowed: readonly string[], set: { status?: number | string; headers: object }): Response {
  set.status = 204;
  return new Response(null, { status: 204, headers: { ...set.headers, allow: allowed.join(", ") } });
}

/** A slash at the end is as none; two in a row enclose a name that is empty, which nothing has. */
function segmentsOf(path: string): string[] {
  return path.replace(/\/$/, "").split("/");
}

function matches(pattern: readonly string[], path: readonly string[]): boolean {
  for (const [index, part] of pattern.entries()) {
    if (part === "*") return true;
    const given = path[index];
    if (given === undefined || (part.startsWith(":") ? given === "" : part !== given)) return false;
  }
  return pattern.length === path.length;
}

import type { z } from "zod";
import { CallLimit } from "#shared/concurrency/call-limit.ts";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import { PROBLEM_TYPE, problemSchema } from "./problem.ts";

export interface JsonClientOptions {
  /** Name of the service that is asked, for messages. */
  service: string;
  place: ServicePlace;
  /** How long an answer may take, the wait before it is asked for included, in milliseconds. */
  timeoutMs: number;
}

/** Where a service is asked. */
export interface ServicePlace {
  /** Base URL of its process, without a slash at the end; asked for at each request. */
  baseUrl: () => string;
  /**
   * Over the network; where the service runs in this very process, straight to its routes: a process has few sockets, and a
   * handler must not need one more.
   */
  send: (request: Request) => Promise<Response>;
}

/**
 * Requests to one service that are under way at once, and those that wait. All services of a process together stay below the
 * 256 that Bun lets out.
 */
const AT_ONCE = 32;
const IN_LINE = 2_000;

export interface JsonRequest<Answer extends z.ZodType> {
  method?: "GET" | "POST";
  /** Below `/api/<service>`. */
  path: string;
  /** Undefined values are left out. */
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  /**
   * Who asks the same while it is under way shares its answer. Not for answers that have to be newer than the question.
   */
  shared?: boolean;
  answer: Answer;
}

/** Asks another service's REST. A 404 is null; what else it refuses and what it cannot answer is an AppError. */
export interface JsonClient {
  /** SERVICE_UNAVAILABLE (transient): it is down, too slow, or says 5xx. INVALID_INPUT, CONFLICT: it refused what it was told. */
  ask<Answer extends z.ZodType>(request: JsonRequest<Answer>): Promise<z.infer<Answer> | null>;
}

/** Makes a client of one service. Nothing is retried: the caller knows whether it can wait. */
export function createJsonClient(options: JsonClientOptions): JsonClient {
  const { service } = options;
  const limit = new CallLimit({ service, atOnce: AT_ONCE, inLine: IN_LINE });
  const underWay = new Map<string, Promise<unknown>>();

  async function askNow<Answer extends z.ZodType>(request: JsonRequest<Answer>): Promise<z.infer<Answer> | null> {
    const answer = await send(options, limit, request);
    if (answer.status === 404) return null;
    if (!answer.ok) throw await refusal(service, answer);
    const parsed = request.answer.safeParse(await bodyOf(service, answer));
    if (parsed.success) return parsed.data;
    throw unavailable(service, "gave an answer that is not as agreed", { cause: parsed.error });
  }

  return {
    ask(request) {
      if (request.shared !== true) return askNow(request);
      const { method = "GET", path, query, body } = request;
      const key = JSON.stringify([method, path, query, body]);
      // One path has one answer: what is under way is of the same schema.
      const asked = (underWay.get(key) as ReturnType<typeof askNow<typeof request.answer>>) ?? askNow(request);
      if (!underWay.has(key)) {
        underWay.set(key, asked);
        const forget = () => underWay.delete(key);
        asked.then(forget, forget);
      }
      return asked;
    },
  };
}

async function send<Answer extends z.ZodType>(
  { service, place, timeoutMs }: JsonClientOptions,
  limit: CallLimit,
  request: JsonRequest<Answer>,
): Promise<Response> {
  const url = new URL(`${place.baseUrl()}/api/${service}${request.path}`);
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const signal = AbortSignal.timeout(timeoutMs);
  const init: RequestInit = { method: request.method ?? "GET", signal };
  if (request.body !== undefined) {
    init.body = JSON.stringify(request.body);
    init.headers = { "content-type": "application/json", "content-length": String(Buffer.byteLength(init.body)) };
  }
  try {
    return await limit.run(signal, () => unlessLate(signal, place.send(new Request(url.href, init))));
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw unavailable(service, `does not answer (${messageOf(error)})`, { cause: error });
  }
}

/** A service in this process does not hear of the deadline. */
async function unlessLate<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const leave = (): void => late.reject(signal.reason);
  signal.addEventListener("abort", leave, { once: true });
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

async function bodyOf(service: string, answer: Response): Promise<unknown> {
  try {
    return await answer.json();
  } catch (error) {
    throw unavailable(service, "gave an answer that is not JSON", { cause: error });
  }
}

/**
 * A refusal keeps the code and the words of its problem. A fault of the service is SERVICE_UNAVAILABLE. So is something that
 * the service itself waits for; then its words are kept.
 */
async function refusal(service: string, answer: Response): Promise<AppError> {
  const isProblem = answer.headers.get("content-type")?.startsWith(PROBLEM_TYPE) ?? false;
  const problem = isProblem ? problemSchema.safeParse(await bodyOf(service, answer)) : undefined;
  if (answer.status >= 500) {
    const told = problem?.data === undefined || problem.data.code === "INTERNAL" ? null : problem.data.detail;
    return unavailable(service, `answered with ${answer.status}${told === null ? "" : `: ${told.replace(/\.$/, "")}`}`);
  }
  const detail = problem?.data?.detail ?? `It answered with ${answer.status}.`;
  const details = { service, status: answer.status, ...(problem?.data?.errors && { errors: problem.data.errors }) };
  const code = answer.status === 409 ? "CONFLICT" : answer.status === 412 ? "PRECONDITION_FAILED" : "INVALID_INPUT";
  return new AppError(code, "permanent", `The service ${service} refused: ${detail}`, { details });
}

/** The message reaches whoever asked; the cause is for the log alone. */
function unavailable(service: string, what: string, { cause }: { cause?: unknown } = {}): AppError {
  return new AppError("SERVICE_UNAVAILABLE", "transient", `The service ${service} ${what}.`, {
    cause,
    details: { service },
  });
}

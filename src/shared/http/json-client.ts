import type { z } from "zod";
import { AppError, messageOf } from "#shared/errors/app-error.ts";
import { PROBLEM_TYPE, problemSchema } from "./problem.ts";

export interface JsonClientOptions {
  /** Name of the service that is asked, for messages. */
  service: string;
  /** Base URL of the process it runs in, without a slash at the end; asked for at each request. */
  baseUrl: () => string;
  timeoutMs: number;
}

export interface JsonRequest<Answer extends z.ZodType> {
  method?: "GET" | "POST";
  /** Below `/api/<service>`. */
  path: string;
  /** Undefined values are left out. */
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  answer: Answer;
}

/** Asks another service's REST. A 404 is null; what else it refuses and what it cannot answer is an AppError. */
export interface JsonClient {
  /** SERVICE_UNAVAILABLE (transient): it is down, too slow, or says 5xx. INVALID_INPUT, CONFLICT: it refused what it was told. */
  ask<Answer extends z.ZodType>(request: JsonRequest<Answer>): Promise<z.infer<Answer> | null>;
}

/** Makes a client of one service over fetch. Nothing is retried: the caller knows whether it can wait. */
export function createJsonClient(options: JsonClientOptions): JsonClient {
  return {
    async ask(request) {
      const answer = await send(options, request);
      if (answer.status === 404) return null;
      if (!answer.ok) throw await refusal(options.service, answer);
      const parsed = request.answer.safeParse(await bodyOf(options.service, answer));
      if (parsed.success) return parsed.data;
      throw unavailable(options.service, "gave an answer that is not as agreed", { cause: parsed.error });
    },
  };
}

async function send<Answer extends z.ZodType>(options: JsonClientOptions, request: JsonRequest<Answer>) {
  const url = new URL(`${options.baseUrl()}/api/${options.service}${request.path}`);
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const init: RequestInit = { method: request.method ?? "GET", signal: AbortSignal.timeout(options.timeoutMs) };
  if (request.body !== undefined) {
    init.body = JSON.stringify(request.body);
    init.headers = { "content-type": "application/json" };
  }
  try {
    return await fetch(url, init);
  } catch (error) {
    throw unavailable(options.service, `does not answer (${messageOf(error)})`, { cause: error });
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
 * A refusal keeps its problem's code and words; what is the service's own trouble is SERVICE_UNAVAILABLE, with the words for
 * what it waits for itself.
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

import pRetry from "p-retry";
import { Trouble } from "./say.ts";

/** An answer that is not what was asked for, with what the other side said about it. */
export class Refused extends Trouble {
  constructor(
    readonly status: number,
    what: string,
    body: string,
  ) {
    super(`${what} answered ${status}: ${body.slice(0, 500)}`);
  }
}

/** How long an answer may take, and how long a service that is being restarted is waited for. */
const ANSWER_WITHIN_MS = 10_000;
const WAIT_FOR_MS = 60_000;

interface Request {
  method: "GET" | "POST";
  url: string;
  headers: Record<string, string>;
  body?: string;
  /** Other statuses than 2xx that are an answer. */
  accept?: readonly number[];
}

/** A 503 and a connection that fails are tried again with growing pauses: services are killed and restarted on purpose. */
async function send(request: Request): Promise<{ status: number; body: unknown }> {
  const { method, url, headers, body, accept = [] } = request;
  return pRetry(
    async () => {
      const answer = await fetch(url, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      const text = await answer.text();
      if (answer.status === 503) throw new Error(`${method} ${url} answered 503: ${text.slice(0, 500)}`);
      if (!answer.ok && !accept.includes(answer.status)) throw new Refused(answer.status, `${method} ${url}`, text);
      return { status: answer.status, body: text === "" ? null : JSON.parse(text) };
    },
    {
      retries: 1_000,
      minTimeout: 20,
      maxTimeout: 1_000,
      factor: 1.5,
      maxRetryTime: WAIT_FOR_MS,
      shouldRetry: ({ error }) => !(error instanceof Refused),
    },
  );
}

/** The body of a GET, as JSON. Throws Refused on an answer that is not 2xx. */
export async function getJson(url: string, headers: Record<string, string> = {}): Promise<unknown> {
  return (await send({ method: "GET", url, headers })).body;
}

/** A POST that may be repeated: it carries an Idempotency-Key, or the same step twice is harmless. */
export async function postJson(
  url: string,
  body: unknown,
  options: { idempotencyKey?: string; accept?: readonly number[] } = {},
): Promise<{ status: number; body: unknown }> {
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (options.idempotencyKey !== undefined) headers["Idempotency-Key"] = options.idempotencyKey;
  return send({
    method: "POST",
    url,
    headers,
    body: JSON.stringify(body),
    ...(options.accept === undefined ? {} : { accept: options.accept }),
  });
}

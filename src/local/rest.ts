import pRetry from "p-retry";
import { messageOf } from "#shared/errors/app-error.ts";
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

/** No answer, and why. The retries would take the error of the connection for a fault of this program, and not try again. */
class Unanswered extends Trouble {
  constructor(what: string, cause: unknown) {
    super(`${what} is not answered: ${messageOf(cause)}.`, { cause });
  }
}

/** How long an answer may take, and how long a service is waited for that is being restarted. */
const ANSWER_WITHIN_MS = 10_000;
const WAIT_FOR_MS = 60_000;

interface Request {
  method: "GET" | "POST";
  url: string;
  headers: Record<string, string>;
  body?: string;
  /** Other statuses than 2xx that are an answer. */
  accept?: readonly number[];
  /** How long a service that is being restarted is waited for. Default: a minute. */
  waitForMs?: number;
}

/** A 503 and a connection that fails are tried again with growing pauses: services are killed and restarted on purpose. */
export async function send(request: Request): Promise<{ status: number; body: unknown }> {
  const { method, url, headers, body, accept = [], waitForMs = WAIT_FOR_MS } = request;
  const what = `${method} ${url}`;
  return pRetry(
    async () => {
      const { answer, text } = await fetch(url, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      })
        .then(async (given) => ({ answer: given, text: await given.text() }))
        .catch((error: unknown) => {
          throw new Unanswered(what, error);
        });
      if (answer.status === 503) throw new Refused(503, what, text);
      if (!answer.ok && !accept.includes(answer.status)) throw new Refused(answer.status, what, text);
      return { status: answer.status, body: text === "" ? null : JSON.parse(text) };
    },
    {
      retries: 1_000,
      minTimeout: 20,
      maxTimeout: 1_000,
      factor: 1.5,
      maxRetryTime: waitForMs,
      shouldRetry: ({ error }) => !(error instanceof Refused) || error.status === 503,
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

import type { Clock } from "#shared/clock/clock.ts";
import { within } from "#shared/clock/within.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { storable } from "#shared/errors/storable-text.ts";
import { cut, type Verdict } from "./channel.ts";

/** A request that hands a message over. */
export interface Post {
  url: string;
  headers?: Record<string, string>;
  body: string;
  /** Texts that nobody may read in a reason. */
  secrets: readonly string[];
}

/** By which clock, and how long a try may take, in milliseconds. */
export interface Sending {
  clock: Pick<Clock, "after" | "nowMs">;
  timeoutMs: number;
}

/** How one channel reads an answer, where HTTP alone does not say it. Undefined: HTTP does. */
export type ReadAnswer = (status: number, body: string) => Verdict | undefined;

/** Of an answer no more is read. */
const MOST_ANSWER_BYTES = 4_096;
/** Of an answer no more is told. */
const MOST_TOLD = 200;
/** Whatever the far side asks for, it is tried again after an hour. */
const LONGEST_RETRY_MS = 3_600_000;
/** They say that the same request may pass later. 401, 403, 404, 410 and all others of 3xx and 4xx say that it will not. */
const MAY_PASS_LATER = new Set([408, 425, 429]);

/**
 * Posts a body and says what became of it. Redirects are not followed. It ends within `timeoutMs`, or with the signal; what
 * the far side may have taken without an answer comes again, under the same id.
 */
export async function postMessage(
  post: Post,
  { clock, timeoutMs, signal, read }: Sending & { signal: AbortSignal; read?: ReadAnswer },
): Promise<Verdict> {
  const ending = within(signal, clock, timeoutMs);
  try {
    const answer = await fetch(post.url, {
      method: "POST",
      redirect: "manual",
      headers: { "content-type": "application/json", "user-agent": "r3edge-engine", ...post.headers },
      body: post.body,
      signal: ending.signal,
    });
    // What it has taken is taken, also where the rest of its answer gets lost.
    const said = await beginningOf(answer).catch(() => "");
    return read?.(answer.status, said) ?? verdictOf(answer, told(said, post.secrets));
  } catch (error) {
    const why = ending.signal.aborted
      ? `It did not answer within ${timeoutMs} ms.`
      : `It cannot be reached: ${told(messageOf(error), post.secrets)}`;
    return { kind: "later", reason: why, retryAfterMs: null };
  } finally {
    ending.release();
  }
}

/** By the status alone. */
function verdictOf(answer: Response, said: string): Verdict {
  const { status, headers } = answer;
  if (status >= 200 && status < 300) return { kind: "sent" };
  if (status >= 300 && status < 400) {
    const reason = `It answered with a redirect (${status}), which is not followed: give the address that it leads to.`;
    return { kind: "refused", reason };
  }
  const reason = `It answered with ${status}${said === "" ? "." : `: ${said}`}`;
  const isLater = status >= 500 || MAY_PASS_LATER.has(status);
  if (!isLater) return { kind: "refused", reason };
  return {
    kind: "later",
    reason,
    retryAfterMs: retryAfterOf(headers.get("retry-after"), Date.parse(headers.get("date") ?? "")),
  };
}

/** Retry-After in milliseconds: seconds, or a date, which is measured from the answer's own. Null: there is none that can be read. */
export function retryAfterOf(header: string | null, answeredAtMs: number): number | null {
  if (header === null) return null;
  const text = header.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return boundedRetry(Number(text) * 1_000);
  const ms = /^[A-Za-z]{3}, /.test(text) ? Date.parse(text) - answeredAtMs : Number.NaN;
  return Number.isNaN(ms) ? null : boundedRetry(ms);
}

/** What the far side asks for, in milliseconds: not below zero, and not above an hour. */
export function boundedRetry(ms: number): number {
  return Math.round(Math.min(Math.max(ms, 0), LONGEST_RETRY_MS));
}

/** Shorter parts of an address are words of the language. */
const LEAST_SECRET = 6;

/** Texts by which an address that is a secret could be known: itself, its path, and what they are made of. The longest first. */
export function secretsIn(address: string): string[] {
  const { pathname, search, searchParams } = new URL(address);
  const parts = [address, `${pathname}${search}`, pathname, search, ...pathname.split("/"), ...searchParams.values()];
  return parts.filter(({ length }) => length >= LEAST_SECRET).toSorted((left, right) => right.length - left.length);
}

async function beginningOf(answer: Response): Promise<string> {
  const reader = answer.body?.getReader();
  if (reader === undefined) return "";
  const parts: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < MOST_ANSWER_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    bytes += value.byteLength;
  }
  await reader.cancel();
  return Buffer.concat(parts).subarray(0, MOST_ANSWER_BYTES).toString();
}

/** Words of the far side as a person may read them: in a line, short, and without what is secret. */
export function told(said: string, secrets: readonly string[]): string {
  const struck = secrets.reduce((text, secret) => (secret === "" ? text : text.replaceAll(secret, "[secret]")), said);
  return cut(storable(struck).replaceAll(/\s+/g, " ").trim(), MOST_TOLD);
}

import { storable } from "#shared/errors/storable-text.ts";

/**
 * What came of a request to a venue. refused: the venue says that it did nothing. banned: it takes nothing until then, and
 * where the request had `left` nobody knows what it did. lost: nobody knows whether it did anything.
 */
export type VenueAnswer =
  | { kind: "answer"; body: unknown }
  | { kind: "refused"; status: number; code: string; reason: string }
  | { kind: "banned"; untilMs: number; left: boolean }
  | { kind: "lost"; reason: string; cause?: unknown };

/** Codes that Binance documents with "execution status unknown", or that speak of its inside. */
const UNCLEAR_CODES: ReadonlySet<string> = new Set(["-1000", "-1001", "-1006", "-1007", "-1008"]);
/** Statuses that say nothing about the request itself: blocked, too many requests, banned. */
const UNCLEAR_STATUSES: ReadonlySet<number> = new Set([403, 408, 418, 429]);

/** How long a ban lasts where the venue names no end. 429: too many requests. 418: banned for going on all the same. */
const UNNAMED_BAN_MS: Readonly<Record<number, number>> = { 429: 10_000, 418: 120_000 };

/** Whether an answer of this status tells of a ban. */
export function isBan(status: number): boolean {
  return UNNAMED_BAN_MS[status] !== undefined;
}

/** Binance: too many new orders. They are counted for an account, requests for an address; cancels and questions go on. */
const TOO_MANY_ORDERS = /"code"\s*:\s*-1015\b/;

/** What a venue takes no more, and until when (our wall clock). */
export interface BanTold {
  untilMs: number;
  /** New orders of the account alone. */
  ordersAlone: boolean;
}

/** The end of a ban that a text names by the venue's clock ("IP banned until 1620286253180"); null: it names none. */
export function banEndIn(text: string, aheadMs: number): number | null {
  const named = /banned until (\d{13})\b/i.exec(text)?.[1];
  return named === undefined ? null : Number(named) - aheadMs;
}

/**
 * The ban that an answer with 418 or 429 tells. Its Retry-After (seconds) or its text names the end; the later one
 * counts. Null: it is no ban. `aheadMs`: how far the venue's clock is ahead of ours.
 */
export function banOf(
  { status, retryAfter, text }: { status: number; retryAfter: string | null; text: string },
  { nowMs, aheadMs }: { nowMs: number; aheadMs: number },
): BanTold | null {
  const unnamedMs = UNNAMED_BAN_MS[status];
  if (unnamedMs === undefined) return null;
  const waitMs = retryAfter !== null && /^\d{1,7}$/.test(retryAfter) ? Number(retryAfter) * 1_000 : null;
  const named = [waitMs === null ? null : nowMs + waitMs, banEndIn(text, aheadMs)].filter((end) => end !== null);
  return {
    untilMs: named.length === 0 ? nowMs + unnamedMs : Math.max(...named),
    ordersAlone: TOO_MANY_ORDERS.test(text),
  };
}

/** Binance: "Timestamp for this request is outside of the recvWindow", or ahead of the server's time. */
export const OUTSIDE_WINDOW = "-1021";
/** Binance: the order that is to be canceled is not open. */
export const UNKNOWN_ORDER = "-2011";
/** Binance: no order has this id. */
export const NO_SUCH_ORDER = "-2013";
const ORDER_REFUSED = "-2010";

/** Binance refuses a client order id while an order with it is open: then the first send took effect, and this is no refusal of it. */
export function isDuplicateOrder(answer: { code: string; reason: string }): boolean {
  return answer.code === ORDER_REFUSED && /duplicate/i.test(answer.reason);
}

function codeAndReason(body: unknown): { code: string; reason: string } | null {
  if (typeof body !== "object" || body === null || !("code" in body)) return null;
  const { code } = body;
  if (typeof code !== "number" && typeof code !== "string") return null;
  return { code: storable(String(code)), reason: "msg" in body ? storable(String(body.msg)) : "" };
}

/**
 * Sorts an HTTP answer of Binance. Only a 2xx with JSON is an answer and only a 4xx with one of its codes (or 404) a
 * refusal; everything else is lost, since the request may have taken effect.
 */
export function classifyAnswer(status: number, text: string, parse: (text: string) => unknown): VenueAnswer {
  let body: unknown;
  try {
    body = parse(text);
  } catch (cause) {
    if (status === 404) return { kind: "refused", status, code: "404", reason: "not found" };
    return { kind: "lost", reason: `unreadable answer with status ${status}`, cause };
  }
  if (status >= 200 && status < 300) {
    return body === undefined ? { kind: "lost", reason: "empty answer" } : { kind: "answer", body };
  }
  if (status < 400 || status >= 500 || UNCLEAR_STATUSES.has(status)) {
    return { kind: "lost", reason: `status ${status}` };
  }
  const told = codeAndReason(body);
  if (told !== null && !UNCLEAR_CODES.has(told.code)) return { kind: "refused", status, ...told };
  if (told === null && status === 404) return { kind: "refused", status, code: "404", reason: "not found" };
  return { kind: "lost", reason: told === null ? `status ${status}` : `code ${told.code}` };
}

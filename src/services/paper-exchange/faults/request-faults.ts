import { z } from "zod";
import type { Market } from "#services/paper-exchange/market/market.ts";
import { PUBLIC_ENDPOINTS, PUBLIC_METHODS } from "#services/paper-exchange/protocol/public-api.ts";
import { REFUSALS } from "#services/paper-exchange/protocol/refusal.ts";
import { SIGNED_ENDPOINTS, SIGNED_METHODS } from "#services/paper-exchange/protocol/signed-api.ts";
import { type Call, defineFault, type Misbehaviour, ms, type Reach, type Reply } from "./fault.ts";

/** Every request there is, as `Call` names it. */
const CALLS = [
  ...[...PUBLIC_ENDPOINTS.keys()].map((name) => `GET ${name}`),
  ...SIGNED_ENDPOINTS.keys(),
  ...[...SIGNED_METHODS.keys(), ...PUBLIC_METHODS.keys()].map((name) => `WS ${name}`),
  "WS userDataStream.subscribe.signature",
  "WS userDataStream.unsubscribe",
];

/** Which requests a fault is for. */
const match = {
  what: z
    .enum(CALLS)
    .optional()
    .describe('Only requests like this one: "POST order", "WS order.place". Default: all of REST'),
  clientOrderId: z
    .string()
    .min(1)
    .max(36)
    .optional()
    .describe("Only requests that name an order which begins like this"),
};

function concerns(
  { method, path, params }: Call,
  wanted: { what?: string | undefined; clientOrderId?: string | undefined },
): boolean {
  const named = params.get("newClientOrderId") ?? params.get("origClientOrderId") ?? "";
  const isWhat = wanted.what === undefined ? method !== "WS" : `${method} ${path}` === wanted.what;
  return isWhat && named.startsWith(wanted.clientOrderId ?? "");
}

/** Whether a call places an order, by REST or by WebSocket. */
function places({ method, path }: Call): boolean {
  return (method === "POST" && path === "order") || (method === "WS" && path === "order.place");
}

/** What a Binance in trouble says: of its gateway no JSON, of itself "unknown" in its own codes. */
function troubleOf(status: number): unknown {
  if (status === 502) return "<html>Bad Gateway</html>";
  if (status === 504)
    return {
      code: -1007,
      msg: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    };
  return { code: -1000, msg: "An unknown error occurred while processing the request." };
}

/** Which orders a fault is for. */
const orders = { clientOrderId: match.clientOrderId };
interface OrderMatch {
  clientOrderId?: string | undefined;
}

const DROPPED: Reply = { status: 0, body: null, dropped: true };

function refusal({ status, code, msg }: { status: number; code: number; msg: string }): Reply {
  return { status, body: { code, msg } };
}

/** Faults of requests and their answers. */
export const REQUEST_FAULTS = [
  defineFault("request-lost", "the connection ends before the request has reached the venue", match, (of, reach) => ({
    before: (call) => (concerns(call, of) && reach.strikes() ? DROPPED : null),
  })),
  defineFault("answer-lost", "the request takes effect, its answer never comes", match, (of, reach) => ({
    after: (call, reply) => (concerns(call, of) && reach.strikes() ? DROPPED : reply),
  })),
  defineFault(
    "answer-5xx",
    "the request takes effect, the answer is a server error",
    { ...match, status: z.number().int().min(500).max(599).default(502).describe("HTTP status of the answer") },
    (of, reach) => ({
      after: (call, reply) =>
        concerns(call, of) && reach.strikes() ? { status: of.status, body: troubleOf(of.status) } : reply,
    }),
  ),
  defineFault("answer-delayed", "answers come late", { ...match, delayMs: ms }, (of, reach) => ({
    after: (call, reply) => (concerns(call, of) && reach.strikes() ? { ...reply, delayMs: of.delayMs } : reply),
  })),
  defineFault(
    "banned",
    "418 or 429 with Retry-After until its time is over, counted from its first strike",
    {
      ...match,
      status: z
        .union([z.literal(418), z.literal(429)])
        .default(418)
        .describe("HTTP status of the answer"),
      retryAfterMs: ms.min(1_000).describe("How long the ban lasts, in milliseconds"),
    },
    ({ status, retryAfterMs, ...of }, { clock, strikes }) => {
      const begins = (call: Call): boolean =>
        (of.what === undefined && of.clientOrderId === undefined) || concerns(call, of);
      let untilMs: number | null = null;
      let refused = 0;
      return {
        tells: () => ({ refused }),
        isOver: () => untilMs !== null && clock.nowMs() >= untilMs,
        before: (call) => {
          const nowMs = clock.nowMs();
          if (untilMs === null && begins(call) && strikes()) untilMs = nowMs + retryAfterMs;
          if (untilMs === null || nowMs >= untilMs) return null;
          refused += 1;
          const msg = `Way too much request weight used; IP banned until ${untilMs}.`;
          const headers = { "retry-after": String(Math.ceil((untilMs - nowMs) / 1_000)) };
          return { ...refusal({ status, code: -1003, msg }), headers };
        },
      };
    },
  ),
  defineFault(
    "clock-off",
    "the server clock is ahead by so many milliseconds, or behind (negative)",
    {
      aheadMs: z.number().int().min(-3_600_000).max(3_600_000).describe("How far it is ahead, in milliseconds"),
    },
    ({ aheadMs }, { strikes }) => ({
      aheadMs: () => (strikes() ? aheadMs : 0),
    }),
  ),
  defineFault(
    "order-forgotten",
    "an order is accepted, and the venue knows nothing of it from then on",
    orders,
    (of, { market, strikes }) => ({ after: forgets(market, of, strikes) }),
  ),
  defineFault(
    "order-unheard",
    "an order is answered NEW, and neither stream nor list ever tells of it",
    orders,
    unheard,
  ),
  defineFault(
    "cut-in-match",
    "an order is filled by half and ends EXPIRED_IN_MATCH (self-trade prevention)",
    orders,
    ({ clientOrderId = "" }, { strikes }) => ({
      cuts: (order) => order.clientOrderId.startsWith(clientOrderId) && strikes(),
    }),
  ),
  defineFault("halted", "the symbol has status BREAK, and orders are refused", {}, (_of, { strikes }) => ({
    rules: (instrument) => ({ ...instrument, status: "HALTED" }),
    before: (call) =>
      places(call) && strikes() ? refusal({ status: 400, code: -1013, msg: "Market is closed." }) : null,
  })),
  defineFault(
    "delisted",
    "exchangeInfo does not list the symbol, and requests for it are refused",
    {},
    (_of, { strikes }) => ({
      before: (call) => (call.params.has("symbol") && strikes() ? refusal(REFUSALS.badSymbol) : null),
      after: (call, reply) =>
        call.path === "exchangeInfo" && typeof reply.body === "object"
          ? { ...reply, body: { ...reply.body, symbols: [] } }
          : reply,
    }),
  ),
] as const;

/** Forgets an open order right after the answer that has accepted it. `strikes` is asked with the venue's id of the order. */
function forgets(market: Market, { clientOrderId = "" }: OrderMatch, strikes: (orderId: number) => boolean) {
  return (call: Call, reply: Reply): Reply => {
    const accepted = places(call) && reply.status === 200 ? acceptedSchema.safeParse(reply.body).data : undefined;
    const order = accepted === undefined ? undefined : market.ledger.open.get(accepted.orderId);
    if (order?.clientOrderId.startsWith(clientOrderId) === true && strikes(order.id)) market.forget(order);
    return reply;
  };
}

/** The stream comes before the answer, to each who follows it: whether it strikes is drawn once an order. */
function unheard(of: OrderMatch, { market, strikes }: Reach): Misbehaviour {
  const drawn = new Map<string, boolean>();
  const strikesAt = (clientOrderId: string, orderId: number): boolean => {
    const key = `${orderId} ${clientOrderId}`;
    const isStruck = drawn.get(key) ?? strikes();
    drawn.set(key, isStruck);
    return isStruck;
  };
  return {
    frame({ stream, text }) {
      if (stream !== "executionReport") return text;
      const { event } = reportSchema.parse(JSON.parse(text));
      const isNew = event.x === "NEW" && event.c.startsWith(of.clientOrderId ?? "");
      return isNew && strikesAt(event.c, event.i) ? null : text;
    },
    after: forgets(market, of, (orderId) => strikesAt(market.ledger.order(orderId)?.clientOrderId ?? "", orderId)),
  };
}

const acceptedSchema = z.object({ orderId: z.number() });
const reportSchema = z.object({ event: z.object({ x: z.string(), c: z.string(), i: z.number() }) });

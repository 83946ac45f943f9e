import { z } from "zod";
import { type Call, defineFault, type Misbehaviour, ms, type Reach, type Reply } from "./fault.ts";
import type { VenueOrderRow } from "./ledger-types.ts";
import { isRefusal, REFUSALS } from "./refusal.ts";

/** Which requests a fault is for: "POST order"; without one all of REST. */
const what = z
  .string()
  .regex(/^(GET|POST|DELETE) [A-Za-z/]+$/, 'must be like "POST order"')
  .optional()
  .describe('Only requests like this one: "POST order". Default: all of REST');

function concerns(call: Call, wanted: string | undefined): boolean {
  return wanted === undefined ? call.method !== "WS" : `${call.method} ${call.path}` === wanted;
}

const DROPPED: Reply = { status: 0, body: null, dropped: true };

function refusal({ status, code, msg }: { status: number; code: number; msg: string }): Reply {
  return { status, body: { code, msg } };
}

/** Faults of requests and their answers. */
export const REQUEST_FAULTS = [
  defineFault(
    "request-lost",
    "the connection ends before the request has reached the venue",
    { what },
    (of, reach) => ({
      before: (call) => (concerns(call, of.what) && reach.strikes() ? DROPPED : null),
    }),
  ),
  defineFault("answer-lost", "the request takes effect, its answer never comes", { what }, (of, reach) => ({
    after: (call, reply) => (concerns(call, of.what) && reach.strikes() ? DROPPED : reply),
  })),
  defineFault(
    "answer-5xx",
    "the request takes effect, the answer is a server error",
    { what, status: z.number().int().min(500).max(599).default(502) },
    (of, reach) => ({
      after: (call, reply) =>
        concerns(call, of.what) && reach.strikes() ? { status: of.status, body: "<html>Bad Gateway</html>" } : reply,
    }),
  ),
  defineFault("answer-delayed", "answers come late", { what, delayMs: ms }, (of, reach) => ({
    after: (call, reply) => (concerns(call, of.what) && reach.strikes() ? { ...reply, delayMs: of.delayMs } : reply),
  })),
  defineFault(
    "banned",
    "418 or 429 with Retry-After until its time is over, counted from its first strike",
    { status: z.union([z.literal(418), z.literal(429)]).default(418), retryAfterMs: ms.min(1_000) },
    ({ status, retryAfterMs }, { clock, strikes }) => {
      let untilMs: number | null = null;
      return {
        before: () => {
          const nowMs = clock.nowMs();
          if (untilMs === null && strikes()) untilMs = nowMs + retryAfterMs;
          else if (untilMs !== null && nowMs < untilMs) strikes();
          if (untilMs === null || nowMs >= untilMs) return null;
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
      aheadMs: z.number().int().min(-3_600_000).max(3_600_000),
    },
    ({ aheadMs }, { strikes }) => ({
      aheadMs() {
        strikes();
        return aheadMs;
      },
    }),
  ),
  defineFault("order-forgotten", "an order is accepted, and the venue knows nothing of it from then on", {}, forgets),
  defineFault(
    "order-unheard",
    "an order is answered NEW, and neither stream nor list ever tells of it",
    {},
    (none, reach) => ({
      ...forgets(none, reach),
      frame: ({ kind, text }) => (kind === "user" && text.includes('"X":"NEW"') ? null : text),
    }),
  ),
  defineFault(
    "cut-in-match",
    "an order is filled by half and ends EXPIRED_IN_MATCH (self-trade prevention)",
    {},
    (_of, reach) => ({
      before: (call) => {
        if (call.method === "POST" && call.path === "order" && reach.strikes()) reach.market.cutNextOrder();
        return null;
      },
    }),
  ),
  defineFault("halted", "the symbol has status BREAK, and orders are refused", {}, (_of, { strikes }) => ({
    rules: (instrument) => ({ ...instrument, status: "HALTED" }),
    before: (call) =>
      call.method === "POST" && call.path === "order" && strikes()
        ? refusal({ status: 400, code: -1013, msg: "Market is closed." })
        : null,
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

/** Forgets each order right after the answer that has accepted it. */
function forgets(_of: unknown, { market, strikes }: Reach): Misbehaviour {
  return {
    after(call, reply) {
      if (call.method !== "POST" || call.path !== "order" || isRefusal(reply.body)) return reply;
      const order = orderOf(market.ledger.open, call.params.get("newClientOrderId"));
      if (reply.status !== 200 || order === undefined || !strikes()) return reply;
      market.forget(order);
      return reply;
    },
  };
}

function orderOf(open: ReadonlyMap<number, VenueOrderRow>, clientOrderId: string | undefined) {
  return [...open.values()].find((order) => order.clientOrderId === clientOrderId);
}

import { Elysia } from "elysia";
import type { Logger } from "pino";
import { z } from "zod";
import { positiveDecimal } from "#shared/domain/schemas.ts";
import { AppError } from "#shared/errors/app-error.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { pageSchema } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import { stateOf, stateQuery, stateSchema } from "./control.ts";
import { type Call, type Reply, replyOf } from "./faults/fault.ts";
import { activeFaultSchema, faultsSchema } from "./faults/faults.ts";
import type { HostedMarket } from "./market/host.ts";
import { PUBLIC_ENDPOINTS } from "./protocol/public-api.ts";
import type { Refusal } from "./protocol/refusal.ts";
import { parseParams, restPayload } from "./protocol/signature.ts";
import { type AskedMarket, SIGNED_ENDPOINTS, signedCall } from "./protocol/signed-api.ts";

/** What the routes serve: markets by id (filled when the service has started) and whether /control is on. */
export interface RouteOptions {
  markets: ReadonlyMap<string, HostedMarket>;
  ready: () => boolean;
  control: boolean;
  log: Logger;
}

const marketParams = z.object({ marketId: z.string().describe("The simulated market's id") });
const NOT_SERVED: Refusal = { kind: "refused", status: 404, code: -1000, msg: "This is not served here." };

/** The simulated venues' own protocol, which is Binance's: errors are {code, msg}, not problem details. */
function venueRoutes(options: RouteOptions) {
  return httpBase("paper-exchange", options.log, { bodies: "any" })
    .all(
      "/markets/:marketId/api/v3/*",
      async ({ params, request, body }) => {
        const hosted = find(options, params.marketId);
        const reply = replyTo(hosted, params["*"], request, typeof body === "string" ? body : "");
        if (reply.delayMs !== undefined) await hosted.market.clock.sleep(reply.delayMs, request.signal);
        return responseOf(reply);
      },
      // Binance's protocol, which its own papers describe: no part of this API.
      { parse: "text", detail: { hide: true } },
    )
    .ws("/markets/:marketId/ws", {
      beforeHandle: ({ params }) => void find(options, params.marketId),
      open: (ws) => find(options, ws.data.params.marketId).streams.open(ws.raw),
      message: (ws, message) => find(options, ws.data.params.marketId).streams.receive(ws.raw, message),
      close: (ws) => options.markets.get(ws.data.params.marketId)?.streams.close(ws.raw),
    })
    .ws("/markets/:marketId/ws/:stream", {
      beforeHandle: ({ params }) => void find(options, params.marketId),
      open: (ws) => find(options, ws.data.params.marketId).streams.open(ws.raw, [ws.data.params.stream]),
      message: (ws, message) => find(options, ws.data.params.marketId).streams.receive(ws.raw, message),
      close: (ws) => options.markets.get(ws.data.params.marketId)?.streams.close(ws.raw),
    })
    .ws("/markets/:marketId/ws-api/v3", {
      beforeHandle: ({ params }) => void find(options, params.marketId),
      open: (ws) => find(options, ws.data.params.marketId).api.open(ws.raw),
      message: (ws, message) => find(options, ws.data.params.marketId).api.receive(ws.raw, message),
      close: (ws) => options.markets.get(ws.data.params.marketId)?.api.close(ws.raw),
    });
}

/** For the conductor and benchmarks; 404 where control is off. */
function controlRoutes(options: RouteOptions) {
  return httpBase("paper-exchange", options.log)
    .get(
      "/markets/:marketId/control/state",
      ({ params, query }) => stateOf(controlled(options, params.marketId), query),
      {
        params: marketParams,
        query: stateQuery,
        response: { 200: stateSchema, 404: problemSchema },
        detail: { summary: "Where a simulated market stands, with what is new since" },
      },
    )
    .post(
      "/markets/:marketId/control/release",
      ({ params, body, query, status }) => {
        const hosted = controlled(options, params.marketId);
        const { market } = hosted;
        if (market.replay?.lockstep !== true)
          throw new AppError("CONFLICT", "permanent", "This market does not run in lockstep.");
        const outcome = market.release(body.step);
        return status(outcome === "released" ? 200 : 409, stateOf(hosted, query));
      },
      {
        params: marketParams,
        query: stateQuery,
        body: z.strictObject({
          step: z.number().int().nonnegative().describe("Where it stands: it goes on from there alone"),
        }),
        response: { 200: stateSchema, 404: problemSchema, 409: z.union([stateSchema, problemSchema]) },
        detail: { summary: "Lets a lockstep market go on from a step; another step is 409 with the present state" },
      },
    )
    .post(
      "/markets/:marketId/control/tick",
      ({ params, body }) => {
        const { market } = controlled(options, params.marketId);
        if (market.replay !== null || market.synthetic !== null)
          throw new AppError("CONFLICT", "permanent", "This market makes its own prices.");
        return market.tick(body.price);
      },
      {
        params: marketParams,
        body: z.strictObject({ price: positiveDecimal.describe("What it shows next") }),
        response: {
          200: z.object({
            id: z.number().describe("Of the trade"),
            price: z.string().describe("At which it was traded"),
            size: z.string().describe("In the base asset"),
            atMs: z.number().describe("When, UTC epoch milliseconds"),
          }),
          404: problemSchema,
          409: problemSchema,
        },
        detail: { summary: "Shows one price of a ticker market" },
      },
    );
}

const faultList = z.object({ faults: z.array(activeFaultSchema).describe("Those that are set") });

/** How a market is to misbehave; 404 where control is off. */
function faultRoutes(options: RouteOptions) {
  return httpBase("paper-exchange", options.log)
    .get(
      "/markets/:marketId/control/faults",
      ({ params }) => ({ faults: controlled(options, params.marketId).faults.list }),
      {
        params: marketParams,
        response: { 200: faultList, 404: problemSchema },
        detail: { summary: "The faults that are set, and how often each has struck" },
      },
    )
    .post(
      "/markets/:marketId/control/faults",
      ({ params, body }) => {
        const { faults } = controlled(options, params.marketId);
        faults.set(body);
        return { faults: faults.list };
      },
      {
        params: marketParams,
        body: faultsSchema,
        response: { 200: faultList, 404: problemSchema, 422: problemSchema },
        detail: { summary: "Sets the faults of a simulated market in place of those before; none: it behaves" },
      },
    );
}

/** All routes of the service, below /api/paper-exchange. */
export function createRoutes(options: RouteOptions) {
  return new Elysia()
    .use(listRoutes(options))
    .use(venueRoutes(options))
    .use(controlRoutes(options))
    .use(faultRoutes(options));
}

function listRoutes(options: RouteOptions) {
  return httpBase("paper-exchange", options.log).get(
    "/markets",
    () => ({
      items: [...options.markets.values()].map(({ settings, market, faults }) => ({
        id: settings.id,
        symbol: settings.symbol,
        kind: settings.kind,
        finished: market.finished,
        faults: faults.names,
      })),
      nextCursor: null,
    }),
    {
      response: {
        200: pageSchema(
          z.object({
            id: z.string().describe("Its id"),
            symbol: z.string().describe("What is traded there"),
            kind: z.enum(["replay", "ticker", "synthetic"]).describe("synthetic: its prices are made up"),
            finished: z.boolean().describe("Whether its last bar is over"),
            faults: z.array(z.string()).describe("Faults that are set: it misbehaves on purpose"),
          }),
        ),
      },
      detail: { summary: "Lists the simulated markets" },
    },
  );
}

function find(options: RouteOptions, marketId: string): HostedMarket {
  if (!options.ready())
    throw new AppError("SERVICE_UNAVAILABLE", "transient", "The simulated markets are not open yet.");
  const hosted = options.markets.get(marketId);
  if (hosted === undefined) throw new AppError("NOT_FOUND", "permanent", "There is no such simulated market.");
  return hosted;
}

function controlled(options: RouteOptions, marketId: string) {
  if (!options.control)
    throw new AppError("NOT_FOUND", "permanent", "Control is off. R3_PAPER_EXCHANGE_CONTROL=true turns it on.");
  return find(options, marketId);
}

/** What goes back, with what its faults make of it. */
function replyTo(hosted: HostedMarket, path: string, request: Request, body: string): Reply {
  const query = new URL(request.url).search.slice(1);
  const call = { method: request.method, path, params: parseParams(query, body) };
  const { faults } = hosted;
  const instead = faults.before(call);
  if (instead !== null) return instead;
  const markets = { itself: hosted.market, seen: faults.view() };
  const answer = answerRest(markets, call, { query, body, apiKey: request.headers.get("x-mbx-apikey") });
  return faults.after(call, replyOf(answer));
}

/** A body that fails ends the connection: what the other side then sees is an answer that was lost. */
function responseOf({ status, body, headers = {}, dropped = false }: Reply): Response {
  if (dropped) return new Response(new ReadableStream({ start: (controller) => controller.error() }));
  if (typeof body === "string") return new Response(body, { status, headers });
  return Response.json(body, { status, headers });
}

function answerRest(
  markets: AskedMarket,
  { method, path, params }: Call,
  { query, body, apiKey }: { query: string; body: string; apiKey: string | null },
): object | Refusal {
  const signed = SIGNED_ENDPOINTS.get(`${method} ${path}`);
  if (signed !== undefined) {
    return signedCall(markets, signed, { apiKey, params, payload: restPayload(query, body) });
  }
  const open = method === "GET" ? PUBLIC_ENDPOINTS.get(path) : undefined;
  return open === undefined ? NOT_SERVED : open(markets.seen, params);
}

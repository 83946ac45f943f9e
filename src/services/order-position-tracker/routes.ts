import { z } from "zod";
import { SharedRuns } from "#shared/concurrency/shared-runs.ts";
import { readRiskStates } from "#shared/db/reference-rows.ts";
import { TRADING_STATES_SAY, tradingStateSchema } from "#shared/domain/account.ts";
import { fillSchema, orderSchema } from "#shared/domain/order.ts";
import { positionSchema } from "#shared/domain/position.ts";
import { countNumber, decimalText, epochMs, idText, ownId } from "#shared/domain/schemas.ts";
import { AppError, sentenceOf } from "#shared/errors/app-error.ts";
import type { VenueAccount } from "#shared/exchange/exchange.ts";
import { exposedSessionSchema, exposureSchema } from "#shared/http/create-clients.ts";
import { httpBase } from "#shared/http/http-base.ts";
import { listOrder, pageOf, pageQuery, pageSchema, readCursor } from "#shared/http/paging.ts";
import { problemSchema } from "#shared/http/problem.ts";
import { scopeOf } from "#shared/risk/risk-scope.ts";
import { effectiveStateOf } from "#shared/risk/risk-state-rule.ts";
import type { Deps } from "#shared/service/service.ts";
import { ownedBySessions, readOwnState } from "./account/account-store.ts";
import { balancesOf, heldAtVenue } from "./account/balances.ts";
import { beginEra } from "./account/era.ts";
import type { TrackerContext } from "./context.ts";
import { countOpenOrders } from "./orders/order-store.ts";
import { readEquity, readFills, readOrder, readOrderEvents, readOrders, readPositions } from "./read-store.ts";
import { discardUnbooked, readUnbooked } from "./record/unbooked-store.ts";
import { closableHoldings, listExposed } from "./session/holdings.ts";

const filter = pageQuery.extend({ sessionId: ownId.optional().describe("Only of this session") });
const orderedFilter = filter.extend({ order: listOrder });
const orderKey = z.tuple([epochMs, z.string()]);
const fillKey = z.tuple([epochMs, z.string(), z.string(), z.string()]);
const orderEventSchema = z.object({
  version: z.number().int().describe("The order's version that it led to"),
  type: z.string().describe("What happened"),
  atMs: epochMs.describe("When, UTC epoch milliseconds"),
  data: z.unknown().describe("What was known of it"),
});
const equityPointSchema = z.object({
  sessionId: z.string().describe("Whose equity it is"),
  candleN: z.number().int().describe("Number of the candle at whose close it is"),
  closeAtMs: epochMs.describe("When that was, UTC epoch milliseconds"),
  equity: decimalText.describe("Cash, and the position at the close, in the quote asset"),
  cash: decimalText.describe("In the quote asset"),
  position: decimalText.describe("In the base asset"),
  close: decimalText.describe("The price that the position is worth"),
});
const accountSchema = z.object({
  id: z.string().describe("The account's name in R3_ACCOUNTS"),
  venue: z.string().describe("Where it is"),
  tradingState: tradingStateSchema.describe(
    `The strictest of what holds it: what it is by itself, its halts and kills at risk-manager. ${TRADING_STATES_SAY}`,
  ),
  stateReason: z.string().nullable().describe("Why, and by what; null: it is ACTIVE"),
  era: z.number().int().describe("How often the ids of its venue have begun anew"),
  balances: z
    .record(
      z.string(),
      z.object({
        total: decimalText
          .nullable()
          .describe("What it has at its venue, free or locked by orders; null: not known now"),
        owned: decimalText.describe("What its sessions own by their ledgers; a deleted one owns nothing any more"),
        free: decimalText
          .nullable()
          .describe("What no session owns: a new one may begin with so much. Below zero: they own more than there is"),
      }),
    )
    .describe("By asset"),
  balancesReason: z
    .string()
    .nullable()
    .describe("Why total and free are not known; null: they are, or nobody wanted them"),
});
const accountQuery = z.strictObject({
  atVenue: z
    .enum(["true", "false"])
    .default("true")
    .describe("false: only what the sessions own, without asking the venue"),
});

function notFound(what: string): AppError {
  return new AppError("NOT_FOUND", "permanent", `There is no such ${what}.`);
}

/** REST of order-position-tracker: orders with their events, fills, positions, accounts, equity. */
export function createRoutes(context: TrackerContext) {
  const { db } = context.deps;
  return accountRoutes(context)
    .get(
      "/orders",
      async ({ query: { sessionId, order, cursor, limit } }) => {
        const after = readCursor(cursor, orderKey);
        const rows = await readOrders(db, { sessionId, order, after, limit: limit + 1 });
        const page = pageOf(rows, limit, (row) => [row.createdAtMs, row.order.id]);
        return { ...page, items: page.items.map((row) => row.order) };
      },
      {
        query: orderedFilter,
        response: { 200: pageSchema(orderSchema) },
        detail: { summary: "Lists orders, oldest first unless the newest are asked for" },
      },
    )
    .get(
      "/orders/:id",
      async ({ params }) => {
        const [order, events] = await Promise.all([readOrder(db, params.id), readOrderEvents(db, params.id)]);
        if (order === null) throw notFound("order");
        return { ...order, events };
      },
      {
        params: z.object({ id: ownId.describe("The order's id") }),
        response: {
          200: orderSchema.extend({ events: z.array(orderEventSchema).describe("Oldest first") }),
          404: problemSchema,
        },
        detail: { summary: "An order with everything that happened to it" },
      },
    )
    .get(
      "/fills",
      async ({ query: { sessionId, order, cursor, limit } }) => {
        const rows = await readFills(db, { sessionId, order, after: readCursor(cursor, fillKey), limit: limit + 1 });
        return pageOf(rows, limit, (fill) => [fill.atMs, fill.tradeId, fill.accountId, fill.instrumentId]);
      },
      {
        query: orderedFilter,
        response: { 200: pageSchema(fillSchema) },
        detail: { summary: "Lists fills, oldest first unless the newest are asked for" },
      },
    )
    .get(
      "/positions",
      async ({ query }) => {
        const after = readCursor(query.cursor, z.tuple([z.string(), z.string()]));
        return pageOf(await readPositions(db, query.sessionId, after, query.limit + 1), query.limit, (position) => [
          position.sessionId,
          position.instrumentId,
        ]);
      },
      { query: filter, response: { 200: pageSchema(positionSchema) }, detail: { summary: "Lists positions" } },
    );
}

/** What an account has at its venue, or why that is not known now. */
interface Held {
  amounts: Awaited<ReturnType<typeof heldAtVenue>> | null;
  reason: string | null;
}

async function askVenue(account: VenueAccount): Promise<Held> {
  try {
    return { amounts: await heldAtVenue(account), reason: null };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { amounts: null, reason: `The venue could not be asked. ${sentenceOf(error)}` };
  }
}

function accountRoutes(context: TrackerContext) {
  const { deps } = context;
  const { db, exchanges } = deps;
  const venueBalances = new SharedRuns<Held>();
  const held = (id: string) => venueBalances.run(id, () => askVenue(exchanges.account(id)));
  type Asked = { atVenue: "true" | "false" };
  const read = async (id: string, venue: string, { atVenue }: Asked): Promise<z.infer<typeof accountSchema>> => {
    const scopes = ["all", scopeOf({ account: id })];
    const [there, own, risk, owned] = await Promise.all([
      atVenue === "true" ? held(id) : { amounts: null, reason: null },
      readOwnState(db, id),
      readRiskStates(db.sql, scopes, deps.clock.nowMs()),
      ownedBySessions(db, id),
    ]);
    const { tradingState, reason: stateReason } = effectiveStateOf(own, risk[0] ?? null);
    return {
      id,
      venue,
      tradingState,
      stateReason,
      era: own.era,
      balances: balancesOf(owned, there.amounts),
      balancesReason: there.reason,
    };
  };
  return exposureRoutes(deps)
    .get(
      "/accounts",
      async ({ query }) => ({
        items: await Promise.all(exchanges.accounts.map(({ id, venue }) => read(id, venue, query))),
        nextCursor: null,
      }),
      {
        query: accountQuery,
        response: { 200: pageSchema(accountSchema) },
        detail: { summary: "Lists the accounts of the settings" },
      },
    )
    .get(
      "/accounts/:id",
      async ({ params, query }) => {
        const account = exchanges.accounts.find(({ id }) => id === params.id);
        if (account === undefined) throw notFound("account");
        return read(account.id, account.venue, query);
      },
      {
        params: z.object({ id: z.string().describe("The account's name in R3_ACCOUNTS") }),
        query: accountQuery,
        response: { 200: accountSchema, 404: problemSchema },
        detail: { summary: "An account: of each asset what it has, what its sessions own and what is free" },
      },
    )
    .post(
      "/accounts/:id/new-era",
      async ({ params }) => {
        const account = exchanges.accounts.find(({ id }) => id === params.id);
        if (account === undefined) throw notFound("account");
        await beginEra(context, account.id);
        return read(account.id, account.venue, { atVenue: "false" });
      },
      {
        params: z.object({ id: z.string().describe("The account's name in R3_ACCOUNTS") }),
        response: { 200: accountSchema, 404: problemSchema, 409: problemSchema, 503: problemSchema },
        detail: {
          summary:
            "Takes the history of an account whose venue's ids have begun anew as closed, and lets it trade again",
        },
      },
    );
}

function exposureRoutes(deps: Deps) {
  const { db } = deps;
  const exposed = equityRoutes(deps).get(
    "/exposed",
    async ({ query: { limit, cursor } }) => {
      const [after] = readCursor(cursor, z.tuple([z.string()])) ?? [""];
      return listExposed(db, { after, limit });
    },
    {
      query: pageQuery,
      response: { 200: pageSchema(exposedSessionSchema) },
      detail: {
        summary: "Lists the sessions at work that run with something missing and hold a position or have open orders",
      },
    },
  );
  return exposed.get(
    "/exposure",
    async ({ query }) => {
      const [open, held] = await Promise.all([
        countOpenOrders(db, query.sessionId),
        closableHoldings(db, query.sessionId),
      ]);
      return { openOrders: open, positions: held.length };
    },
    {
      query: z.strictObject({ sessionId: ownId.describe("Of this session") }),
      response: { 200: exposureSchema },
      detail: { summary: "How many orders and positions of a session are open" },
    },
  );
}

const unbookedSchema = z.object({
  accountId: z.string().describe("The account that traded"),
  instrumentId: z.string().describe("What was traded"),
  tradeId: z.string().describe("The venue's id of the execution"),
  venueOrderId: z.string().nullable().describe("The venue's order that it is of"),
  raw: z.string().describe("As the venue told it"),
  reason: z.string().describe("Why it could not be booked"),
  seenAtMs: epochMs.describe("When it was told first, UTC epoch milliseconds"),
  sessionId: z.string().nullable().describe("Whose order it is of: it sends nothing until this is booked or discarded"),
  discardReason: z.string().nullable().describe("Why a person has decided that the session goes on without it"),
});
const discardSchema = z.strictObject({
  accountId: idText.describe("The account that traded"),
  instrumentId: idText.describe("What was traded"),
  tradeId: idText.describe("The venue's id of the execution"),
  reason: idText.describe("Why the session may go on without it; kept with the execution"),
});

function equityRoutes(deps: Deps) {
  const { db } = deps;
  return unbookedRoutes(deps).get(
    "/equity",
    async ({ query }) => {
      const after = readCursor(query.cursor, z.tuple([countNumber]));
      return pageOf(await readEquity(db, query.sessionId, after?.[0] ?? -1, query.limit + 1), query.limit, (point) => [
        point.candleN,
      ]);
    },
    {
      query: pageQuery.extend({ sessionId: ownId.describe("Of this session") }),
      response: { 200: pageSchema(equityPointSchema) },
      detail: { summary: "A session's equity at the close of each candle" },
    },
  );
}

function unbookedRoutes({ db, log }: Deps) {
  return httpBase("order-position-tracker", log)
    .get(
      "/unbooked",
      async ({ query }) => ({ items: await readUnbooked(db, query.accountId, query.limit), nextCursor: null }),
      {
        query: z.strictObject({
          accountId: idText.optional().describe("Only of this account"),
          limit: z.coerce.number().int().min(1).max(1_000).default(100).describe("How many at most"),
        }),
        response: { 200: pageSchema(unbookedSchema) },
        detail: { summary: "Executions that could not be booked, as the venue told them, newest first" },
      },
    )
    .post(
      "/unbooked/discard",
      async ({ body }) => {
        if (!(await discardUnbooked(db, body))) throw notFound("execution that waits to be booked");
        return { discarded: true as const };
      },
      {
        parse: "json",
        body: discardSchema,
        response: { 200: z.object({ discarded: z.literal(true).describe("It is done") }), 404: problemSchema },
        detail: { summary: "Lets a session go on without an execution that can not be booked" },
      },
    );
}

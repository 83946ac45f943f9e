import { decimal, isMultipleOf } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { accountEventOf, balancesOf, fillsOf, orderOf, ordersOf, placedOf } from "./binance-account-mapping.ts";
import { isDuplicateOrder, NO_SUCH_ORDER, OUTSIDE_WINDOW, UNKNOWN_ORDER, type VenueAnswer } from "./binance-answers.ts";
import type { VenueRequest } from "./binance-connection.ts";
import { answerLost, askFailed, banned, notUnderstood } from "./binance-failures.ts";
import type { LazyConnection } from "./binance-lazy-connection.ts";
import { serverTimeOf } from "./binance-mapping.ts";
import { USER_STREAM } from "./binance-streams.ts";
import type {
  CancelOutcome,
  FillPage,
  PlaceOutcome,
  PlaceRequest,
  VenueAccount,
  VenueBalance,
  VenueOrder,
} from "./exchange.ts";

export interface AccountOptions {
  venue: string;
  accountId: string;
  connection: LazyConnection;
}

/** Binance gives at most so many fills in one answer. */
const PAGE = 1_000;

type OrderQuery = { instrument: Instrument; clientOrderId: string };

/** The private side of a Binance, for one key. */
export class BinanceAccount implements VenueAccount {
  readonly venue: string;
  readonly accountId: string;
  readonly #connection: LazyConnection;

  constructor({ venue, accountId, connection }: AccountOptions) {
    this.venue = venue;
    this.accountId = accountId;
    this.#connection = connection;
  }

  async serverTimeMs(): Promise<number> {
    return await this.#ask({ api: "public", method: "GET", path: "time" }, "its time", serverTimeOf);
  }

  async place(request: PlaceRequest): Promise<PlaceOutcome> {
    const offStep = stepFault(request);
    if (offStep !== null) return offStep;
    const answer = await this.#connection.send({
      api: "private",
      method: "POST",
      path: "order",
      params: placeParams(request),
      onSent: request.onSent,
    });
    const what = `the order ${request.clientOrderId}`;
    if (answer.kind === "refused" && !isDuplicateOrder(answer)) {
      if (answer.code === OUTSIDE_WINDOW) return { kind: "window-passed" };
      return { kind: "rejected", code: answer.code, reason: answer.reason };
    }
    if (answer.kind === "banned" && !answer.left) {
      return { kind: "not-taken", reason: banned(this.venue, answer.untilMs).message };
    }
    if (answer.kind !== "answer") throw this.#lost(what, answer);
    return { kind: "accepted", ...this.#readEffect(what, () => placedOf(answer.body)) };
  }

  async cancel({ instrument, clientOrderId }: OrderQuery): Promise<CancelOutcome> {
    const params = { symbol: instrument.venueSymbol, origClientOrderId: clientOrderId };
    const answer = await this.#connection.send({ api: "private", method: "DELETE", path: "order", params });
    const what = `the cancel of ${clientOrderId}`;
    if (answer.kind === "refused") {
      if (answer.code === UNKNOWN_ORDER) return { kind: "not-open" };
      throw askFailed(this.venue, what, answer);
    }
    if (answer.kind === "banned" && !answer.left) throw banned(this.venue, answer.untilMs);
    if (answer.kind !== "answer") throw this.#lost(what, answer);
    return { kind: "canceled", order: this.#readEffect(what, () => orderOf(answer.body)) };
  }

  async order({ instrument, clientOrderId }: OrderQuery): Promise<VenueOrder | null> {
    const params = { symbol: instrument.venueSymbol, origClientOrderId: clientOrderId };
    const answer = await this.#connection.send({ api: "private", method: "GET", path: "order", params });
    if (answer.kind === "refused" && answer.code === NO_SUCH_ORDER) return null;
    return this.#read(answer, `the order ${clientOrderId}`, orderOf);
  }

  async orderByVenueId(query: { instrument: Instrument; venueOrderId: string }): Promise<VenueOrder | null> {
    const params = { symbol: query.instrument.venueSymbol, orderId: query.venueOrderId };
    const answer = await this.#connection.send({ api: "private", method: "GET", path: "order", params });
    if (answer.kind === "refused" && answer.code === NO_SUCH_ORDER) return null;
    return this.#read(answer, `the order ${query.venueOrderId}`, orderOf);
  }

  async openOrders(instrument: Instrument): Promise<VenueOrder[]> {
    const params = { symbol: instrument.venueSymbol };
    return await this.#ask({ api: "private", method: "GET", path: "openOrders", params }, "open orders", ordersOf);
  }

  async fills(query: Parameters<VenueAccount["fills"]>[0]): Promise<FillPage> {
    const { instrument, fromId = "0", venueOrderId, limit } = query;
    const order = venueOrderId === undefined ? {} : { orderId: venueOrderId };
    // Without `fromId` Binance tells the newest, not the first.
    const params = { symbol: instrument.venueSymbol, fromId, limit: Math.min(limit, PAGE), ...order };
    return await this.#ask({ api: "private", method: "GET", path: "myTrades", params }, "fills", fillsOf);
  }

  async balances(): Promise<VenueBalance[]> {
    return await this.#ask({ api: "private", method: "GET", path: "account" }, "balances", balancesOf);
  }

  async follow(follow: Parameters<VenueAccount["follow"]>[0]): Promise<void> {
    await this.#connection.followStream({
      stream: USER_STREAM,
      signal: follow.signal,
      onConnected: follow.onConnected,
      onFrame: (frame) => {
        const event = accountEventOf(frame);
        if (event !== null) follow.onEvent(event);
      },
    });
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #ask<Told>(request: VenueRequest, what: string, read: (body: unknown) => Told): Promise<Told> {
    return this.#read(await this.#connection.send(request), what, read);
  }

  #read<Told>(answer: VenueAnswer, what: string, read: (body: unknown) => Told): Told {
    if (answer.kind !== "answer") throw askFailed(this.venue, what, answer);
    try {
      return read(answer.body);
    } catch (cause) {
      throw notUnderstood(this.venue, what, cause);
    }
  }

  /** The request took effect; an answer that cannot be read leaves open which. */
  #readEffect<Told>(what: string, read: () => Told): Told {
    try {
      return read();
    } catch (cause) {
      throw answerLost(this.venue, what, "it cannot be read", cause);
    }
  }

  #lost(what: string, answer: Exclude<VenueAnswer, { kind: "answer" }>): Error {
    const reason = answer.kind === "banned" ? "it was refused by a ban" : answer.reason;
    return answerLost(this.venue, what, reason, answer.kind === "lost" ? answer.cause : undefined);
  }
}

/** What is off a step would be cut or refused by the venue: it is refused here, before it leaves. */
function stepFault({ instrument, size, style }: PlaceRequest): PlaceOutcome | null {
  if (!isMultipleOf(decimal(size), decimal(instrument.sizeStep))) {
    const reason = `The size ${size} is no multiple of the step ${instrument.sizeStep}.`;
    return { kind: "rejected", code: "SIZE_NOT_ON_STEP", reason };
  }
  if (style.type === "LIMIT" && !isMultipleOf(decimal(style.price), decimal(instrument.priceStep))) {
    const reason = `The price ${style.price} is no multiple of the step ${instrument.priceStep}.`;
    return { kind: "rejected", code: "PRICE_NOT_ON_STEP", reason };
  }
  return null;
}

function placeParams(request: PlaceRequest): Record<string, string | number> {
  const { style } = request;
  return {
    symbol: request.instrument.venueSymbol,
    side: request.side,
    type: style.type,
    quantity: request.size,
    newClientOrderId: request.clientOrderId,
    newOrderRespType: "FULL",
    timestamp: request.signedAtMs,
    recvWindow: request.recvWindowMs,
    ...(style.type === "LIMIT" ? { price: style.price, timeInForce: style.timeInForce } : {}),
  };
}

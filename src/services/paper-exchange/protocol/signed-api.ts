import type { VenueFillRow, VenueOrderRow } from "#services/paper-exchange/ledger/ledger-types.ts";
import { readClientOrderId, readPlacement } from "#services/paper-exchange/ledger/placement.ts";
import type { Market } from "#services/paper-exchange/market/market.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import { checkSymbol, wholeNumbers } from "./public-api.ts";
import { isRefusal, REFUSALS, type Refusal, refuse } from "./refusal.ts";
import { authenticate, type Params, type SignedRequest } from "./signature.ts";

type Endpoint = (market: Market, params: Params) => object | Refusal;

const MAX_LIMIT = 1_000;

/** A market, and as those see it who ask: a venue's lists may lag behind its matching, its matching never does. */
export interface AskedMarket {
  itself: Market;
  seen: Market;
}

/** Checks who asks and when, and does it, in one tick. Orders and cancels meet the market itself. */
export function signedCall(
  { itself, seen }: AskedMarket,
  endpoint: Endpoint,
  request: SignedRequest,
): object | Refusal {
  const refusal = authenticate(request, itself.account, seen.clock.nowMs());
  return refusal ?? endpoint(COMMANDS.has(endpoint) ? itself : seen, request.params);
}

function orderRow(symbol: string, order: VenueOrderRow) {
  return {
    symbol,
    orderId: order.id,
    orderListId: -1,
    clientOrderId: order.clientOrderId,
    price: order.price,
    origQty: order.size,
    executedQty: order.filled,
    origQuoteOrderQty: "0",
    cummulativeQuoteQty: order.quote,
    status: order.status,
    timeInForce: order.timeInForce,
    type: order.type,
    side: order.side,
    selfTradePreventionMode: "NONE",
  };
}

/** As GET order and the lists give it. */
function queriedRow(symbol: string, order: VenueOrderRow): object {
  return {
    ...orderRow(symbol, order),
    stopPrice: "0",
    icebergQty: "0",
    time: order.createdAtMs,
    updateTime: order.updatedAtMs,
    isWorking: true,
    workingTime: order.createdAtMs,
  };
}

function canceledRow(symbol: string, order: VenueOrderRow, cancelId: string): object {
  const row = orderRow(symbol, order);
  return { ...row, origClientOrderId: order.clientOrderId, clientOrderId: cancelId, transactTime: order.updatedAtMs };
}

function placeOrder(market: Market, params: Params): object | Refusal {
  const placement = checkSymbol(market, params) ?? readPlacement(params);
  if (isRefusal(placement)) return placement;
  const order = market.place(placement);
  if (isRefusal(order)) return order;
  const { venueSymbol } = market.instrument;
  const { orderId, orderListId, clientOrderId, symbol, ...rest } = orderRow(venueSymbol, order);
  const acknowledged = { symbol, orderId, orderListId, clientOrderId, transactTime: order.createdAtMs };
  if (placement.responseType === "ACK") return acknowledged;
  const result = { ...acknowledged, ...rest, workingTime: order.createdAtMs };
  return placement.responseType === "RESULT" ? result : { ...result, fills: fillsAtOnce(market, order) };
}

/** Fills that an order made when it was placed; they are the newest of the account. */
function fillsAtOnce({ ledger }: Market, order: VenueOrderRow): object[] {
  const first = ledger.fills.findLastIndex((fill) => fill.orderId !== order.id) + 1;
  return ledger.fills.slice(first).map(({ tradeId, price, size, fee, feeAsset }) => ({
    tradeId,
    price,
    qty: size,
    commission: fee,
    commissionAsset: feeAsset,
  }));
}

function testOrder(market: Market, params: Params): object | Refusal {
  const placement = checkSymbol(market, params) ?? readPlacement(params);
  return isRefusal(placement) ? placement : {};
}

/** The order that `orderId` or `origClientOrderId` names. Null: the venue knows none. */
function findOrder(market: Market, params: Params): VenueOrderRow | null | Refusal {
  const wrong = checkSymbol(market, params);
  if (wrong !== null) return wrong;
  const read = wholeNumbers(params, { orderId: 0 });
  if (read.kind === "refused") return read;
  if (read.values.orderId > 0) return market.ledger.order(read.values.orderId) ?? null;
  const clientOrderId = readClientOrderId(params, "origClientOrderId");
  if (typeof clientOrderId === "object") return clientOrderId;
  if (clientOrderId !== undefined) return market.ledger.orderByClientId(clientOrderId) ?? null;
  return refuse(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!");
}

function queryOrder(market: Market, params: Params): object | Refusal {
  const order = findOrder(market, params);
  if (order === null) return REFUSALS.noSuchOrder;
  return isRefusal(order) ? order : queriedRow(market.instrument.venueSymbol, order);
}

function cancelOrder(market: Market, params: Params): object | Refusal {
  const order = findOrder(market, params);
  if (isRefusal(order)) return order;
  if (order === null || order.status !== "NEW") return REFUSALS.unknownOrderSent;
  const given = readClientOrderId(params, "newClientOrderId");
  if (typeof given === "object") return given;
  const cancelId = given ?? `cancel-${order.id}`;
  market.cancel(order, cancelId);
  return canceledRow(market.instrument.venueSymbol, order, cancelId);
}

function cancelOpenOrders(market: Market, params: Params): object | Refusal {
  const wrong = checkSymbol(market, params);
  if (wrong !== null) return wrong;
  const open = [...market.ledger.open.values()];
  if (open.length === 0) return REFUSALS.unknownOrderSent;
  for (const order of open) market.cancel(order, `cancel-${order.id}`);
  return open.map((order) => canceledRow(market.instrument.venueSymbol, order, `cancel-${order.id}`));
}

function openOrders(market: Market, params: Params): object | Refusal {
  const wrong = params.has("symbol") ? checkSymbol(market, params) : null;
  return wrong ?? [...market.ledger.open.values()].map((order) => queriedRow(market.instrument.venueSymbol, order));
}

function allOrders(market: Market, params: Params): object | Refusal {
  const wrong = checkSymbol(market, params);
  if (wrong !== null) return wrong;
  const read = wholeNumbers(params, { orderId: -1, startTime: -1, endTime: Number.MAX_SAFE_INTEGER, limit: 500 });
  if (read.kind === "refused") return read;
  const { orderId, startTime, endTime } = read.values;
  const inRange = market.ledger.orders
    .filter(({ id }) => id >= orderId)
    .filter(({ createdAtMs }) => createdAtMs >= startTime && createdAtMs <= endTime)
    .filter(({ status }) => status !== "FORGOTTEN");
  const page = pageOf(inRange, orderId >= 0 || startTime >= 0, read.values.limit);
  return page.map((order) => queriedRow(market.instrument.venueSymbol, order));
}

/** Binance pages forward from an id or a time, and gives the newest without either; always oldest first. */
function pageOf<Row>(rows: readonly Row[], forward: boolean, limit: number): Row[] {
  const size = Math.max(1, Math.min(limit, MAX_LIMIT));
  return forward ? rows.slice(0, size) : rows.slice(-size);
}

function myTrades(market: Market, params: Params): object | Refusal {
  const wrong = checkSymbol(market, params);
  if (wrong !== null) return wrong;
  const read = wholeNumbers(params, {
    orderId: 0,
    fromId: -1,
    startTime: -1,
    endTime: Number.MAX_SAFE_INTEGER,
    limit: 500,
  });
  if (read.kind === "refused") return read;
  const { orderId, fromId, startTime, endTime } = read.values;
  const inRange = market.ledger.fills
    .filter(({ tradeId }) => tradeId >= fromId)
    .filter((fill) => orderId === 0 || fill.orderId === orderId)
    .filter(({ atMs }) => atMs >= startTime && atMs <= endTime);
  const page = pageOf(inRange, fromId >= 0 || startTime >= 0 || orderId > 0, read.values.limit);
  return page.map((fill) => fillRow(market.instrument.venueSymbol, fill));
}

function fillRow(symbol: string, fill: VenueFillRow): object {
  return {
    symbol,
    id: fill.tradeId,
    orderId: fill.orderId,
    orderListId: -1,
    price: fill.price,
    qty: fill.size,
    quoteQty: fill.quote,
    commission: fill.fee,
    commissionAsset: fill.feeAsset,
    time: fill.atMs,
    isBuyer: fill.side === "BUY",
    isMaker: fill.maker,
    isBestMatch: true,
  };
}

function account(market: Market, params: Params): object {
  const { makerFee, takerFee } = market.instrument;
  const omitZero = params.get("omitZeroBalances") === "true";
  const balances = market.ledger.balances.map(({ asset, free, locked }) => ({ asset, free, locked }));
  const basisPoints = (share: string) => Number(plain(decimal(share).times(10_000)));
  return {
    makerCommission: basisPoints(makerFee),
    takerCommission: basisPoints(takerFee),
    buyerCommission: 0,
    sellerCommission: 0,
    commissionRates: { maker: makerFee, taker: takerFee, buyer: "0", seller: "0" },
    canTrade: true,
    canWithdraw: false,
    canDeposit: false,
    brokered: false,
    requireSelfTradePrevention: false,
    preventSor: false,
    updateTime: market.nowMs,
    accountType: "SPOT",
    balances: balances.filter(({ free, locked }) => !omitZero || free !== "0" || locked !== "0"),
    permissions: ["SPOT"],
    uid: 1,
  };
}

/** What changes the account; the rest asks. */
const COMMANDS: ReadonlySet<Endpoint> = new Set([placeOrder, cancelOrder, cancelOpenOrders]);

/** The signed endpoints below /api/v3 by method and path. */
export const SIGNED_ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map(
  Object.entries({
    "POST order": placeOrder,
    "POST order/test": testOrder,
    "GET order": queryOrder,
    "DELETE order": cancelOrder,
    "DELETE openOrders": cancelOpenOrders,
    "GET openOrders": openOrders,
    "GET allOrders": allOrders,
    "GET myTrades": myTrades,
    "GET account": account,
  }),
);

/** The same as methods of the WebSocket API. */
export const SIGNED_METHODS: ReadonlyMap<string, Endpoint> = new Map(
  Object.entries({
    "order.place": placeOrder,
    "order.test": testOrder,
    "order.status": queryOrder,
    "order.cancel": cancelOrder,
    "openOrders.cancelAll": cancelOpenOrders,
    "openOrders.status": openOrders,
    allOrders,
    myTrades,
    "account.status": account,
  }),
);

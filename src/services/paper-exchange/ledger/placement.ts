import { illegal, missing, REFUSALS, type Refusal, unwanted } from "#services/paper-exchange/protocol/refusal.ts";
import type { Params } from "#services/paper-exchange/protocol/signature.ts";
import { normalize } from "#shared/domain/decimal.ts";
import type { Side, TimeInForce } from "#shared/domain/signal.ts";
import type { OrderType } from "./ledger-types.ts";

/** A wanted order, its form checked. Amounts are plain decimal text. */
export interface Placement {
  clientOrderId: string | null;
  side: Side;
  type: OrderType;
  timeInForce: TimeInForce;
  /** "0" for a market order. */
  price: string;
  size: string;
  responseType: "ACK" | "RESULT" | "FULL";
}

const CLIENT_ORDER_ID = /^[a-zA-Z0-9-_]{1,36}$/;
const AMOUNT = /^([0-9]{1,20})(\.[0-9]{1,20})?$/;
const TYPES: readonly string[] = ["MARKET", "LIMIT", "LIMIT_MAKER"] satisfies OrderType[];
const TIMES_IN_FORCE: readonly string[] = ["GTC", "IOC", "FOK"] satisfies TimeInForce[];
const RESPONSES: readonly string[] = ["ACK", "RESULT", "FULL"] satisfies Placement["responseType"][];

function isOneOf<T extends string>(known: readonly string[], value: string): value is T {
  return known.includes(value);
}

function isSide(value: string): value is Side {
  return value === "BUY" || value === "SELL";
}

/** A decimal parameter in plain form, or what is wrong with it. */
function amount(params: Params, name: string): string | Refusal {
  const text = params.get(name);
  if (text === undefined || text === "") return missing(name);
  return AMOUNT.test(text) ? normalize(text) : illegal(name, AMOUNT.source);
}

/** A client order id as Binance allows it. Undefined: none was sent. */
export function readClientOrderId(params: Params, name: string): string | undefined | Refusal {
  const text = params.get(name);
  if (text === undefined || text === "") return undefined;
  return CLIENT_ORDER_ID.test(text) ? text : illegal(name, CLIENT_ORDER_ID.source);
}

function priceOf(params: Params, type: OrderType): string | Refusal {
  if (type !== "MARKET") return amount(params, "price");
  return params.has("price") ? unwanted("price") : "0";
}

function timeInForceOf(params: Params, type: OrderType): TimeInForce | Refusal {
  const given = params.get("timeInForce");
  if (type !== "LIMIT") return given === undefined ? "GTC" : unwanted("timeInForce");
  if (given === undefined || given === "") return missing("timeInForce");
  return isOneOf<TimeInForce>(TIMES_IN_FORCE, given) ? given : REFUSALS.badTimeInForce;
}

/** Reads POST order's parameters. Types and parameters beyond these are refused, not ignored: stops, icebergs, quote sizes. */
export function readPlacement(params: Params): Placement | Refusal {
  const side = params.get("side");
  if (side === undefined || side === "") return missing("side");
  if (!isSide(side)) return REFUSALS.badSide;
  const type = params.get("type");
  if (type === undefined || type === "") return missing("type");
  if (!isOneOf<OrderType>(TYPES, type)) return REFUSALS.badOrderType;
  for (const name of ["quoteOrderQty", "stopPrice", "trailingDelta", "icebergQty"])
    if (params.has(name)) return unwanted(name);
  const size = amount(params, "quantity");
  if (typeof size !== "string") return size;
  const price = priceOf(params, type);
  if (typeof price !== "string") return price;
  const timeInForce = timeInForceOf(params, type);
  if (typeof timeInForce !== "string") return timeInForce;
  const clientOrderId = readClientOrderId(params, "newClientOrderId");
  if (typeof clientOrderId === "object") return clientOrderId;
  const responseType = params.get("newOrderRespType") ?? (type === "LIMIT_MAKER" ? "ACK" : "FULL");
  if (!isOneOf<Placement["responseType"]>(RESPONSES, responseType))
    return illegal("newOrderRespType", "ACK|RESULT|FULL");
  return { clientOrderId: clientOrderId ?? null, side, type, timeInForce, price, size, responseType };
}

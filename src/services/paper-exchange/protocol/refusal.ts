/** What Binance answers when it does not do what was asked: an error code of its own, a sentence, and the HTTP status. */
export interface Refusal {
  kind: "refused";
  status: number;
  code: number;
  msg: string;
}

export function refuse(code: number, msg: string, status = 400): Refusal {
  return { kind: "refused", status, code, msg };
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "refused";
}

/** The refusals whose text is always the same. Codes and texts are Binance's. */
export const REFUSALS = {
  timestampOutside: refuse(-1021, "Timestamp for this request is outside of the recvWindow."),
  timestampAhead: refuse(-1021, "Timestamp for this request was 1000ms ahead of the server's time."),
  badSignature: refuse(-1022, "Signature for this request is not valid."),
  badKeyFormat: refuse(-2014, "API-key format invalid.", 401),
  badKey: refuse(-2015, "Invalid API-key, IP, or permissions for action.", 401),
  badSymbol: refuse(-1121, "Invalid symbol."),
  badInterval: refuse(-1120, "Invalid interval."),
  badSide: refuse(-1117, "Invalid side."),
  badOrderType: refuse(-1116, "Invalid orderType."),
  badTimeInForce: refuse(-1115, "Invalid timeInForce."),
  insufficientBalance: refuse(-2010, "Account has insufficient balance for requested action."),
  duplicateOrder: refuse(-2010, "Duplicate order sent."),
  wouldTake: refuse(-2010, "Order would immediately match and take."),
  unknownOrderSent: refuse(-2011, "Unknown order sent."),
  noSuchOrder: refuse(-2013, "Order does not exist."),
  recvWindowTooLarge: refuse(-1131, "recvWindow must be less than 60000."),
} as const;

export function missing(parameter: string): Refusal {
  return refuse(-1102, `Mandatory parameter '${parameter}' was not sent, was empty/null, or malformed.`);
}

export function illegal(parameter: string, range: string): Refusal {
  return refuse(-1100, `Illegal characters found in parameter '${parameter}'; legal range is '${range}'.`);
}

export function unwanted(parameter: string): Refusal {
  return refuse(-1106, `Parameter '${parameter}' sent when not required.`);
}

export function filterFailure(filter: string): Refusal {
  return refuse(-1013, `Filter failure: ${filter}`);
}

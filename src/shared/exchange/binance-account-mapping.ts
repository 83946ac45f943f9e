import { z } from "zod";
import type { AccountEvent, FillPage, VenueBalance, VenueFill, VenueOrder } from "#shared/exchange/exchange.ts";
import { wireDecimal, wireId, wireMs } from "./binance-mapping.ts";

/** Binance's orders, fills and balances made ours. Pure. */

/** PENDING_NEW waits for its list; EXPIRED_IN_MATCH was taken out by self-trade prevention. */
const STATUS: ReadonlyMap<string, VenueOrder["status"]> = new Map(
  Object.entries({
    NEW: "NEW",
    PENDING_NEW: "NEW",
    PENDING_CANCEL: "NEW",
    PARTIALLY_FILLED: "PARTIALLY_FILLED",
    FILLED: "FILLED",
    CANCELED: "CANCELED",
    REJECTED: "REJECTED",
    EXPIRED: "EXPIRED",
    EXPIRED_IN_MATCH: "EXPIRED",
  } as const),
);

const statusSchema = z.string().transform((status, context): VenueOrder["status"] => {
  const known = STATUS.get(status);
  if (known !== undefined) return known;
  context.addIssue({ code: "custom", message: `unknown order status ${status}` });
  return z.NEVER;
});

const orderRow = z.looseObject({
  symbol: z.string(),
  orderId: wireId,
  clientOrderId: z.string(),
  /** Of an answer to a cancel: there `clientOrderId` names the cancel request. */
  origClientOrderId: z.string().optional(),
  origQty: wireDecimal,
  executedQty: wireDecimal,
  status: statusSchema,
  transactTime: wireMs.optional(),
  updateTime: wireMs.optional(),
  time: wireMs.optional(),
});

function toOrder(row: z.infer<typeof orderRow>): VenueOrder {
  return {
    clientOrderId: row.origClientOrderId ?? row.clientOrderId,
    venueOrderId: row.orderId,
    venueSymbol: row.symbol,
    status: row.status,
    size: row.origQty,
    filledSize: row.executedQty,
    atMs: row.transactTime ?? row.updateTime ?? row.time ?? 0,
  };
}

/** The order of an answer to a query or a cancel. */
export function orderOf(answer: unknown): VenueOrder {
  return toOrder(orderRow.parse(answer));
}

/** Orders of an openOrders answer. A row that cannot be read is left out: asked for by itself, it says so. */
export function ordersOf(answer: unknown): VenueOrder[] {
  const rows = z.array(z.unknown()).parse(answer);
  return rows.flatMap((row) => {
    const read = orderRow.safeParse(row);
    return read.success ? [toOrder(read.data)] : [];
  });
}

const placedSchema = orderRow.extend({
  side: z.enum(["BUY", "SELL"]),
  fills: z
    .array(
      z.looseObject({
        tradeId: wireId,
        price: wireDecimal,
        qty: wireDecimal,
        commission: wireDecimal,
        commissionAsset: z.string(),
      }),
    )
    .default([]),
});

/** An answer to a new order (response type FULL). What fills at once took liquidity. */
export function placedOf(answer: unknown): { order: VenueOrder; fills: VenueFill[] } {
  const placed = placedSchema.parse(answer);
  const order = toOrder(placed);
  const fills = placed.fills.map((fill) => ({
    tradeId: fill.tradeId,
    venueOrderId: order.venueOrderId,
    clientOrderId: order.clientOrderId,
    venueSymbol: order.venueSymbol,
    side: placed.side,
    price: fill.price,
    size: fill.qty,
    fee: fill.commission,
    feeAsset: fill.commissionAsset,
    maker: false,
    atMs: order.atMs,
  }));
  return { order, fills };
}

const fillRow = z.looseObject({
  symbol: z.string(),
  id: wireId,
  orderId: wireId,
  price: wireDecimal,
  qty: wireDecimal,
  commission: wireDecimal,
  commissionAsset: z.string(),
  time: wireMs,
  isBuyer: z.boolean(),
  isMaker: z.boolean(),
});

const idRow = z.looseObject({ id: wireId });
const orderIdRow = z.looseObject({ orderId: wireId });

/** Fills of a myTrades answer, oldest first. A row that cannot be read is handed out as it is. */
export function fillsOf(answer: unknown): FillPage {
  const page: FillPage = { fills: [], unreadable: [], rows: 0, lastId: null };
  for (const row of z.array(z.unknown()).parse(answer)) {
    page.rows += 1;
    const id = idRow.safeParse(row).data?.id ?? null;
    page.lastId = id ?? page.lastId;
    const read = fillRow.safeParse(row);
    if (read.success) page.fills.push(fillOf(read.data));
    else {
      const raw = JSON.stringify(row);
      const reason = read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
      const venueOrderId = orderIdRow.safeParse(row).data?.orderId ?? null;
      page.unreadable.push({ tradeId: id ?? String(Bun.hash(raw)), venueOrderId, raw, reason });
    }
  }
  return page;
}

function fillOf(row: z.infer<typeof fillRow>): VenueFill {
  return {
    tradeId: row.id,
    venueOrderId: row.orderId,
    venueSymbol: row.symbol,
    side: row.isBuyer ? "BUY" : "SELL",
    price: row.price,
    size: row.qty,
    fee: row.commission,
    feeAsset: row.commissionAsset,
    maker: row.isMaker,
    atMs: row.time,
  };
}

const accountSchema = z.looseObject({
  balances: z.array(z.looseObject({ asset: z.string(), free: wireDecimal, locked: wireDecimal })),
});

/** Balances of an account answer. */
export function balancesOf(answer: unknown): VenueBalance[] {
  return accountSchema.parse(answer).balances.map(({ asset, free, locked }) => ({ asset, free, locked }));
}

const reportSchema = z.looseObject({
  s: z.string(),
  i: wireId,
  c: z.string(),
  C: z.string().default(""),
  S: z.enum(["BUY", "SELL"]),
  q: wireDecimal,
  z: wireDecimal,
  x: z.string(),
  X: statusSchema,
  T: wireMs,
  t: wireId,
  l: wireDecimal,
  L: wireDecimal,
  n: wireDecimal.nullish(),
  N: z.string().nullish(),
  m: z.boolean(),
});

function reportEvent(frame: unknown): AccountEvent {
  const report = reportSchema.parse(frame);
  const order: VenueOrder = {
    // After a cancel `c` names the cancel request and `C` the order.
    clientOrderId: report.C === "" ? report.c : report.C,
    venueOrderId: report.i,
    venueSymbol: report.s,
    status: report.X,
    size: report.q,
    filledSize: report.z,
    atMs: report.T,
  };
  if (report.x !== "TRADE") return { order };
  const fill: VenueFill = {
    tradeId: report.t,
    venueOrderId: report.i,
    clientOrderId: order.clientOrderId,
    venueSymbol: report.s,
    side: report.S,
    price: report.L,
    size: report.l,
    fee: report.n ?? "0",
    feeAsset: report.N ?? "",
    maker: report.m,
    atMs: report.T,
  };
  return { order, fill };
}

/** An event of the user stream; null for those that tell of no order. */
export function accountEventOf(frame: unknown): AccountEvent | null {
  const { e } = z.looseObject({ e: z.string() }).parse(frame);
  return e === "executionReport" ? reportEvent(frame) : null;
}

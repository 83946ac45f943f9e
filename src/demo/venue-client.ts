import { createHmac } from "node:crypto";
import { z } from "zod";
import { getJson } from "#local/rest.ts";

const venueOrderSchema = z.object({
  orderId: z.number(),
  clientOrderId: z.string(),
  side: z.string(),
  type: z.string(),
  origQty: z.string(),
  executedQty: z.string(),
  cummulativeQuoteQty: z.string(),
  status: z.string(),
});
export type VenueOrder = z.infer<typeof venueOrderSchema>;

const venueTradeSchema = z.object({
  id: z.number(),
  orderId: z.number(),
  price: z.string(),
  qty: z.string(),
  quoteQty: z.string(),
  commission: z.string(),
  commissionAsset: z.string(),
  time: z.number(),
});
export type VenueTrade = z.infer<typeof venueTradeSchema>;

/** The account of a market, and its keys. */
export interface VenueAccess {
  /** The market's base URL; its REST is below /api/v3, its control below /control. */
  url: string;
  symbol: string;
  apiKey: string;
  secret: string;
}

const PAGE = 1_000;

/** A signed question to the account's venue. */
export async function signedJson(
  access: VenueAccess,
  path: string,
  params: Record<string, string | number>,
): Promise<unknown> {
  const query = new URLSearchParams({ timestamp: String(Date.now()) });
  for (const [name, value] of Object.entries(params)) query.set(name, String(value));
  const signature = createHmac("sha256", access.secret).update(query.toString()).digest("hex");
  return getJson(`${access.url}${path}?${query.toString()}&signature=${signature}`, { "X-MBX-APIKEY": access.apiKey });
}

/** Every order of the account at the venue, oldest first. */
export async function venueOrders(access: VenueAccess): Promise<VenueOrder[]> {
  const orders: VenueOrder[] = [];
  for (;;) {
    const from = (orders.at(-1)?.orderId ?? 0) + 1;
    const page = z
      .array(venueOrderSchema)
      .parse(await signedJson(access, "/api/v3/allOrders", { symbol: access.symbol, orderId: from, limit: PAGE }));
    orders.push(...page);
    if (page.length < PAGE) return orders;
  }
}

/** Every execution of the account at the venue, oldest first. */
export async function venueTrades(access: VenueAccess): Promise<VenueTrade[]> {
  const trades: VenueTrade[] = [];
  for (;;) {
    const from = (trades.at(-1)?.id ?? 0) + 1;
    const page = z
      .array(venueTradeSchema)
      .parse(await signedJson(access, "/api/v3/myTrades", { symbol: access.symbol, fromId: from, limit: PAGE }));
    trades.push(...page);
    if (page.length < PAGE) return trades;
  }
}

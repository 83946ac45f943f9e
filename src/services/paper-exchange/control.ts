import { z } from "zod";
import { activeFaultSchema } from "./faults/faults.ts";
import type { VenueFillRow } from "./ledger/ledger-types.ts";
import type { HostedMarket } from "./market/host.ts";
import { REGIMES } from "./prices/synthetic-price.ts";

/** Only what is newer than these: a trade id, and a terminal order's number. 0: all of the run. */
export const stateQuery = z.strictObject({
  sinceTradeId: z.coerce.number().int().nonnegative().default(0).describe("Fills with a later id"),
  sinceTerminal: z.coerce.number().int().nonnegative().default(0).describe("Terminal orders with a later number"),
});
export type StateQuery = z.infer<typeof stateQuery>;

const fillSchema = z.object({
  tradeId: z.number().int().describe("Number of the fill, dense from 1"),
  orderId: z.number().int().describe("The venue's id of the order"),
  clientOrderId: z.string().describe("The engine's id of it"),
  side: z.enum(["BUY", "SELL"]).describe("BUY or SELL"),
  price: z.string().describe("At which it was executed"),
  size: z.string().describe("In the base asset"),
  quote: z.string().describe("Size times price"),
  fee: z.string().describe("In the fee asset; below zero: a rebate"),
  feeAsset: z.string().describe("What the fee was taken in"),
  maker: z.boolean().describe("Whether the order was waiting in the book"),
  atMs: z.number().describe("When it happened on the market clock, UTC epoch milliseconds"),
});

const terminalOrderSchema = z.object({
  number: z.number().int().describe("Of the terminal orders, dense from 1"),
  orderId: z.number().int().describe("The venue's id of the order"),
  clientOrderId: z.string().describe("The engine's id of it"),
  status: z.string().describe("How it ended"),
});

export const stateSchema = z.object({
  marketId: z.string().describe("The market's id"),
  step: z.number().int().describe("Where a lockstep market stands: it goes on from there by release"),
  bar: z.number().int().describe("The bar that it shows"),
  barCount: z.number().int().describe("How many there are"),
  phase: z.string().describe("Where in the bar it is"),
  halted: z.boolean().describe("Whether it takes no orders"),
  regime: z.enum(REGIMES).nullable().describe("What the price of a synthetic market does now"),
  finished: z.boolean().describe("Whether its last bar is over"),
  marketAtMs: z.number().describe("Market clock, UTC epoch milliseconds"),
  lastClosedBar: z
    .object({
      openAtMs: z.number().describe("UTC epoch milliseconds"),
      closeAtMs: z.number().describe("UTC epoch milliseconds"),
    })
    .nullable()
    .describe("When the newest closed bar opened and closed; null: there is none"),
  lastTradeId: z.number().int().describe("Of the public trades"),
  lastPrice: z.string().nullable().describe("Price of the newest trade; null: there is none"),
  orderCount: z.number().int().describe("How many orders it has seen"),
  fillCount: z.number().int().describe("Also the id of the newest fill: ids are dense from 1"),
  terminalCount: z.number().int().describe("Also the number of the newest terminal order: numbers are dense from 1"),
  fills: z.array(fillSchema).describe("Those after sinceTradeId"),
  openOrders: z.array(z.string()).describe("Client order ids of those that are open"),
  terminalOrders: z.array(terminalOrderSchema).describe("Those after sinceTerminal"),
  faults: z.array(activeFaultSchema).describe("Faults that are set"),
  balances: z
    .record(
      z.string(),
      z.object({
        free: z.string().describe("What orders may take"),
        locked: z.string().describe("What open orders hold"),
      }),
    )
    .describe("Of its account, by asset: free, and locked by orders"),
});
export type MarketStateView = z.infer<typeof stateSchema>;

/** The market as its conductor sees it: whole counts, and of fills and terminal orders those newer than asked for. */
export function stateOf(
  { market, faults }: Pick<HostedMarket, "market" | "faults">,
  since: StateQuery,
): MarketStateView {
  const { cursor, ledger, replay } = market;
  const last = replay?.bars[cursor.bar - 1];
  return {
    marketId: market.id,
    step: cursor.step,
    bar: cursor.bar,
    barCount: replay?.bars.length ?? 0,
    phase: market.phase,
    halted: market.synthetic === null && (replay === null || replay.lockstep || market.finished),
    regime: market.synthetic?.regimeAt(market.nowMs) ?? null,
    finished: market.finished,
    marketAtMs: market.nowMs,
    lastClosedBar: last === undefined ? null : { openAtMs: last.openAtMs, closeAtMs: last.closeAtMs },
    lastTradeId: cursor.lastTradeId,
    lastPrice: cursor.lastPrice,
    orderCount: ledger.orders.length,
    fillCount: ledger.fills.length,
    terminalCount: ledger.terminal.length,
    fills: ledger.fills.slice(since.sinceTradeId).map((fill: VenueFillRow) => ({ ...fill })),
    openOrders: [...ledger.open.values()].map((order) => order.clientOrderId),
    terminalOrders: ledger.terminal.slice(since.sinceTerminal).map((order, index) => ({
      number: since.sinceTerminal + index + 1,
      orderId: order.id,
      clientOrderId: order.clientOrderId,
      status: order.status,
    })),
    faults: faults.list,
    balances: Object.fromEntries(ledger.balances.map(({ asset, free, locked }) => [asset, { free, locked }])),
  };
}

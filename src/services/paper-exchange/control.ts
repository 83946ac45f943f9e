import { z } from "zod";
import { activeFaultSchema } from "./faults.ts";
import type { HostedMarket } from "./host.ts";
import type { VenueFillRow } from "./ledger-types.ts";
import { REGIMES } from "./synthetic-price.ts";

/** Only what is newer than these: a trade id, and a terminal order's number. 0: all of the run. */
export const stateQuery = z.strictObject({
  sinceTradeId: z.coerce.number().int().nonnegative().default(0),
  sinceTerminal: z.coerce.number().int().nonnegative().default(0),
});
export type StateQuery = z.infer<typeof stateQuery>;

const fillSchema = z.object({
  tradeId: z.number().int(),
  orderId: z.number().int(),
  clientOrderId: z.string(),
  side: z.enum(["BUY", "SELL"]),
  price: z.string(),
  size: z.string(),
  quote: z.string(),
  fee: z.string(),
  feeAsset: z.string(),
  maker: z.boolean(),
  atMs: z.number(),
});

export const stateSchema = z.object({
  marketId: z.string(),
  step: z.number().int(),
  /** Number of the last closed bar; 0 before the first. */
  bar: z.number().int(),
  barCount: z.number().int(),
  phase: z.string(),
  halted: z.boolean(),
  regime: z.enum(REGIMES).nullable().describe("What the price of a synthetic market does now"),
  finished: z.boolean(),
  marketAtMs: z.number(),
  lastClosedBar: z.object({ openAtMs: z.number(), closeAtMs: z.number() }).nullable(),
  lastTradeId: z.number().int().describe("Of the public trades"),
  lastPrice: z.string().nullable(),
  orderCount: z.number().int(),
  fillCount: z.number().int().describe("Also the id of the newest fill: ids are dense from 1"),
  terminalCount: z.number().int().describe("Also the number of the newest terminal order: numbers are dense from 1"),
  fills: z.array(fillSchema),
  openOrders: z.array(z.string()),
  terminalOrders: z.array(
    z.object({ number: z.number().int(), orderId: z.number().int(), clientOrderId: z.string(), status: z.string() }),
  ),
  faults: z.array(activeFaultSchema),
  balances: z.record(z.string(), z.object({ free: z.string(), locked: z.string() })),
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

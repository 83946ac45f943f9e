import type postgres from "postgres";
import { z } from "zod";
import { signedJson, type VenueAccess, venueOrders, venueTrades } from "#demo/venue-client.ts";
import { getJson } from "#local/rest.ts";
import { decimal, plain } from "#shared/domain/decimal.ts";
import type { Account, Bar, Execution, Witness } from "./verdict.ts";

/** A market and our account there, as both sides are asked about it. */
export interface Subject {
  instrumentId: string;
  accountId: string;
  access: VenueAccess;
  /** What the account had before its first order. */
  deposits: Readonly<Record<string, string>>;
}

const accountSchema = z.object({
  balances: z.array(z.object({ asset: z.string(), free: z.string(), locked: z.string() })),
});
const kline = z.tuple([z.number(), z.string(), z.string(), z.string(), z.string(), z.string()]).rest(z.unknown());
const PAGE = 1_000;

/** What the venue did, by its own lists while it behaves; of its bars those that opened in the span. */
export async function readVenue(
  { access, deposits }: Subject,
  span: { fromMs: number; toMs: number },
): Promise<Witness> {
  const [orders, trades, account] = [
    await venueOrders(access),
    await venueTrades(access),
    accountSchema.parse(await signedJson(access, "/api/v3/account", {})),
  ];
  const byId = new Map(orders.map((order) => [order.orderId, order]));
  const executions = trades.map((trade): Execution => {
    const order = byId.get(trade.orderId);
    return {
      tradeId: String(trade.id),
      clientOrderId: order?.clientOrderId ?? "",
      side: order?.side ?? "",
      price: trade.price,
      size: trade.qty,
      fee: trade.commission,
      feeAsset: trade.commissionAsset,
    };
  });
  const changes = new Map(
    account.balances.map(({ asset, free, locked }) => {
      return [
        asset,
        plain(
          decimal(free)
            .plus(locked)
            .minus(deposits[asset] ?? "0"),
        ),
      ] as const;
    }),
  );
  const executedOrders = orders.filter(({ executedQty }) => !decimal(executedQty).isZero());
  return {
    executions,
    executedOrders: executedOrders.map(({ clientOrderId }) => clientOrderId),
    changes,
    bars: await venueBars(access, span),
  };
}

async function venueBars(access: VenueAccess, { fromMs, toMs }: { fromMs: number; toMs: number }): Promise<Bar[]> {
  const bars: Bar[] = [];
  for (let startMs = fromMs; startMs <= toMs; ) {
    const query = `symbol=${access.symbol}&interval=1s&startTime=${startMs}&endTime=${toMs}&limit=${PAGE}`;
    const page = z.array(kline).parse(await getJson(`${access.url}/api/v3/klines?${query}`));
    for (const [openAtMs, open, high, low, close, volume] of page) {
      bars.push({ openAtMs, open, high, low, close, volume });
    }
    const last = page.at(-1)?.[0];
    if (last === undefined || page.length < PAGE) break;
    startMs = last + 1;
  }
  return bars;
}

/** What the engine has booked. */
export async function readEngine(sql: postgres.Sql, { instrumentId, accountId }: Subject): Promise<Account> {
  const executions = await sql<Execution[]>`
    select f.trade_id as "tradeId", o.client_order_id as "clientOrderId", f.side, trim_scale(f.price)::text as price,
      trim_scale(f.size)::text as size, trim_scale(f.fee)::text as fee, f.fee_asset as "feeAsset"
    from order_position_tracker.fills f join order_position_tracker.orders o on o.id = f.order_id
    where f.account_id = ${accountId} order by f.trade_id::bigint`;
  const changes = await sql<{ asset: string; amount: string }[]>`
    select asset, trim_scale(sum(amount))::text as amount from order_position_tracker.ledger
    where account_id = ${accountId} and kind <> 'capital' group by asset`;
  const bars = await sql<(Omit<Bar, "openAtMs"> & { openAtMs: string })[]>`
    select open_at_ms as "openAtMs", trim_scale(open)::text as open, trim_scale(high)::text as high,
      trim_scale(low)::text as low, trim_scale(close)::text as close, trim_scale(volume)::text as volume
    from market_data.candles where instrument_id = ${instrumentId} and time_frame = '1s' order by n`;
  return {
    executions: [...executions],
    changes: new Map(changes.map(({ asset, amount }) => [asset, amount])),
    bars: bars.map((bar) => ({ ...bar, openAtMs: Number(bar.openAtMs) })),
  };
}

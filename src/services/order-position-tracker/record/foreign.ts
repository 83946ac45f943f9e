import { alerts } from "#services/order-position-tracker/alerts.ts";
import type { TrackerContext } from "#services/order-position-tracker/context.ts";
import { raiseAlert } from "#shared/alerts/raise-alert.ts";
import type { Tx } from "#shared/db/db.ts";
import { insertForeign } from "./foreign-store.ts";
import type { Recorded } from "./recorder.ts";

/**
 * Remembers orders and fills at the venue that nobody here made, with one alert an instrument, which tells of the newest.
 * `silent`: they were there before the account was followed, so they are only remembered.
 */
export async function reportForeign(
  tx: Tx,
  { deps }: TrackerContext,
  of: { accountId: string; foreign: Recorded["foreign"]; silent: boolean },
): Promise<void> {
  const { accountId, foreign, silent } = of;
  const all = [
    ...foreign.orders.map((one) => ({ kind: "order" as const, id: one.venueOrderId, data: { ...one } })),
    ...foreign.fills.map((one) => ({ kind: "fill" as const, id: one.tradeId, data: { ...one } })),
  ];
  const atMs = deps.clock.nowMs();
  for (const { kind, id, data } of all) {
    const { clientOrderId: ours, ...rest } = data;
    const row = ours === undefined ? rest : { ...rest, clientOrderId: ours };
    const isNew = await insertForeign(tx, { accountId, venueSymbol: data.venueSymbol, kind, id, data: row, atMs });
    if (!isNew || silent) continue;
    await raiseAlert(tx, deps, {
      scope: `account:${accountId}/${data.venueSymbol}`,
      kind: kind === "order" ? alerts.FOREIGN_ORDER : alerts.FOREIGN_FILL,
      text: `The account ${accountId} has ${kind === "order" ? "orders" : "executions"} of ${data.venueSymbol} that were not made here, the newest ${id}.`,
      data: { accountId, venueId: id, venueSymbol: data.venueSymbol },
    });
  }
}

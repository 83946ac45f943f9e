import type { Logger } from "pino";
import type { BusEvent } from "#shared/bus/bus.ts";
import type { VenueBar, VenueTrade } from "#shared/domain/candle.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { MARKET_BARS, MARKET_TRADES } from "#shared/messages/topics.ts";
import { keepBars } from "./keep-bars.ts";
import type { Parts } from "./parts.ts";

/** Takes bars and trades in. Instruments do not wait for each other. */
export async function keepEvents(parts: Parts, log: Logger, events: readonly BusEvent[]): Promise<void> {
  const { trades, turns, kept, writer } = parts;
  const bars = byInstrument<VenueBar>(events, MARKET_BARS.name);
  const prices = byInstrument<VenueTrade>(events, MARKET_TRADES.name);
  await Promise.all([
    ...[...prices].map(([id, list]) => guarded(log, id, () => trades.keep(list))),
    ...[...bars].map(([id, list]) => guarded(log, id, () => turns.take(id, () => keepBars(kept, writer, list)))),
  ]);
}

/** Publishes the newest candle of each series of these partitions again, and closes what the clock says is over. */
export async function repeatHeads(parts: Parts, log: Logger, partitions: readonly number[]): Promise<void> {
  const { store, writer, trades } = parts;
  await guarded(log, "*", async () => writer.publish(await store.heads(partitions)));
  await Promise.all(trades.instrumentIds.map((id) => guarded(log, id, () => trades.closeByClock(id))));
}

/** What fails is not given back to the bus: the repeated bar, or the next trade's id, shows the same hole again. */
async function guarded(log: Logger, instrumentId: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    log.warn({ instrumentId, reason: messageOf(error) }, "candles not kept, the hole will be closed");
  }
}

function byInstrument<Data>(events: readonly BusEvent[], topic: string): Map<string, Data[]> {
  const lists = new Map<string, Data[]>();
  for (const { topic: from, key, data } of events) {
    if (from !== topic) continue;
    const list = lists.get(key);
    if (list === undefined) lists.set(key, [data as Data]);
    else list.push(data as Data);
  }
  return lists;
}

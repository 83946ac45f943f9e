import type { Logger } from "pino";
import type { EventOf } from "#shared/bus/bus.ts";
import { messageOf } from "#shared/errors/app-error.ts";
import { MARKET_BARS, MARKET_TRADES } from "#shared/messages/topics.ts";
import { keepBars } from "./candles/keep-bars.ts";
import type { Components } from "./components.ts";

/** What candles are made of. */
export const SOURCE_TOPICS = [MARKET_BARS, MARKET_TRADES] as const;
type SourceEvent = EventOf<(typeof SOURCE_TOPICS)[number]>;

/** Takes bars and trades in. Instruments do not wait for each other. */
export async function keepEvents(components: Components, log: Logger, events: readonly SourceEvent[]): Promise<void> {
  const { trades, lock, kept, writer } = components;
  const bars = byInstrument(events.filter((one) => one.topic === MARKET_BARS.name));
  const prices = byInstrument(events.filter((one) => one.topic === MARKET_TRADES.name));
  await Promise.all([
    ...[...prices].map(([id, list]) => guarded(log, id, () => trades.keep(list))),
    ...[...bars].map(([id, list]) => guarded(log, id, () => lock.run(id, () => keepBars(kept, writer, list)))),
  ]);
}

/** Publishes the newest candle of each series of these partitions again, and closes what the clock says is over. */
export async function repeatHeads(components: Components, log: Logger, partitions: readonly number[]): Promise<void> {
  const { store, writer, trades } = components;
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

function byInstrument<Data>(events: readonly { key: string; data: Data }[]): Map<string, Data[]> {
  const lists = new Map<string, Data[]>();
  for (const { key, data } of events) {
    const list = lists.get(key);
    if (list === undefined) lists.set(key, [data]);
    else list.push(data);
  }
  return lists;
}

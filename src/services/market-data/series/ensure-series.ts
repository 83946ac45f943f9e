import type { CandleWriter } from "#services/market-data/candles/candle-writer.ts";
import type { InstrumentTable } from "#services/market-data/instrument-table.ts";
import type { Store } from "#services/market-data/store.ts";
import { requireTimeFrame } from "#shared/candles/time-frame-fault.ts";
import type { Clock } from "#shared/clock/clock.ts";
import type { KeyedLock } from "#shared/concurrency/keyed-lock.ts";
import type { CandleSource } from "#shared/domain/candle.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { DataCollectClient, SeriesHead } from "#shared/http/clients.ts";
import type { KeptSeries } from "./kept-series.ts";
import { countOf, headOf } from "./series.ts";

export interface EnsureOptions {
  store: Store;
  kept: KeptSeries;
  writer: CandleWriter;
  instruments: InstrumentTable;
  dataCollect: DataCollectClient;
  lock: KeyedLock;
  clock: Clock;
  partitionOf: (instrumentId: string) => number;
  leastHistory: number;
}

export interface SeriesRequest {
  instrumentId: string;
  timeFrame: TimeFrame;
  source: CandleSource;
  history: number;
  forming?: boolean | undefined;
}

/**
 * Makes sure that a series is kept, and up to the venue's newest closed bar. History comes first: a new series takes no live
 * bar before its history has the first numbers.
 *
 * CONFLICT: it was made with another source. One that has fewer candles than are asked for grows at its beginning, as far as the
 * venue has older bars: they take the numbers 0, -1, ... and no candle gets another one.
 */
export async function ensureSeries(options: EnsureOptions, request: SeriesRequest): Promise<SeriesHead> {
  const { store, kept, writer, instruments, dataCollect, lock, clock } = options;
  const { instrumentId, timeFrame, source, forming = false } = request;
  requireTimeFrame(await instruments.get(instrumentId), timeFrame);
  const history = Math.max(request.history, options.leastHistory);
  const wanted = {
    instrumentId,
    timeFrame,
    source,
    forming,
    history,
    firstN: 1,
    headN: 0,
    headOpenAtMs: null,
    lastTradeId: null,
  };
  const series = await store.ensureSeries(wanted, options.partitionOf(instrumentId), clock.nowMs());
  if (series.source !== source) {
    const message = `The series ${instrumentId} ${timeFrame} is kept from ${series.source}: take that source, or remove the series first (DELETE /api/market-data/series).`;
    throw new AppError("CONFLICT", "permanent", message, { details: { source: series.source } });
  }
  kept.note(series);
  await dataCollect.follow({ instrumentId, kind: "bars", timeFrame });
  if (source === "trades" || series.forming) await dataCollect.follow({ instrumentId, kind: "trades" });
  // Candles made of trades go on from the trade that is stored; only their beginning comes from bars.
  const isBegun = source === "trades" && series.headN > 0;
  // Read again under the lock: who held it before may have read the history meanwhile.
  const catchUp = async () => await writer.catchUp((await store.series(instrumentId, timeFrame)) ?? series);
  const present = isBegun ? series : await lock.run(instrumentId, catchUp);
  if (countOf(present) >= request.history || present.headN === 0) return headOf(present);
  // Candles at the other end do not wait for it.
  const grow = async () =>
    await writer.catchUpBefore((await store.series(instrumentId, timeFrame)) ?? present, request.history);
  return headOf(await lock.run(`${instrumentId} ${timeFrame} before`, grow));
}

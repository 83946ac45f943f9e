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
import { headOf, type Series } from "./series.ts";

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
 * CONFLICT: it was made with another source. CONFLICT too: it has fewer bars than are asked for, and the venue has older
 * ones. Numbers only go upwards, so these cannot be added any more.
 */
export async function ensureSeries(options: EnsureOptions, request: SeriesRequest): Promise<SeriesHead> {
  const { store, kept, writer, instruments, dataCollect, lock, clock } = options;
  const { instrumentId, timeFrame, source, forming = false } = request;
  requireTimeFrame(await instruments.get(instrumentId), timeFrame);
  const history = Math.max(request.history, options.leastHistory);
  const wanted = { instrumentId, timeFrame, source, forming, history, headN: 0, headOpenAtMs: null, lastTradeId: null };
  const series = await store.ensureSeries(wanted, options.partitionOf(instrumentId), clock.nowMs());
  if (series.source !== source) {
    const message = `The series ${instrumentId} ${timeFrame} is kept from ${series.source}.`;
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
  await refuseShort(options, present, request.history);
  return headOf(present);
}

/** CONFLICT where fewer bars are kept than `wanted`, though the venue has some from before the first. */
async function refuseShort({ store, dataCollect }: EnsureOptions, series: Series, wanted: number): Promise<void> {
  if (series.headN >= wanted) return;
  const { instrumentId, timeFrame, headN } = series;
  const [first] = await store.candles({ instrumentId, timeFrame, limit: 1 });
  if (first === undefined) return;
  const older = await dataCollect.bars({ instrumentId, timeFrame, toMs: first.openAtMs, limit: 1 });
  if (older.length === 0) return;
  const message =
    `The series ${instrumentId} ${timeFrame} has ${headN} bars so far, and ${wanted} are asked for: it was begun with ` +
    "fewer and grows at its end alone. Ask for no more than it has; for series that are yet to be begun, a larger " +
    "R3_MARKET_DATA_LEAST_HISTORY avoids this.";
  throw new AppError("CONFLICT", "permanent", message, { details: { headN, wanted } });
}

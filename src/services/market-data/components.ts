import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import { KeyedLock } from "#shared/concurrency/keyed-lock.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import type { SeriesHead } from "#shared/http/clients.ts";
import type { Deps } from "#shared/service/service.ts";
import { CandlePages } from "./candles/candle-pages.ts";
import { CandleWriter } from "./candles/candle-writer.ts";
import { InstrumentTable } from "./instrument-table.ts";
import { QuoteBoard } from "./quote-board.ts";
import { type Dropped, dropSeries } from "./series/drop-series.ts";
import { ensureSeries, type SeriesRequest } from "./series/ensure-series.ts";
import { KeptSeries } from "./series/kept-series.ts";
import type { MarketDataSettings } from "./settings.ts";
import { Store } from "./store.ts";
import { MarketStream } from "./stream/market-stream.ts";
import { StreamSockets } from "./stream/stream-sockets.ts";
import { TradeKeeper } from "./trades/keep-trades.ts";
import { createTeller, type Teller } from "./trades/tell-trouble.ts";

/** So long after a series was dropped elsewhere pages of it may still come from the cache. */
const INCARNATION_MS = 1_000;

/** What the service is made of, wired up. Nothing of it runs by itself. */
export interface Components {
  store: Store;
  kept: KeptSeries;
  /** By instrument: who reads history or stores candles of it holds it. */
  lock: KeyedLock;
  writer: CandleWriter;
  trades: TradeKeeper;
  teller: Teller;
  instruments: InstrumentTable;
  pages: CandlePages;
  quotes: QuoteBoard;
  stream: MarketStream;
  sockets: StreamSockets;
  ensure: (request: SeriesRequest) => Promise<SeriesHead>;
  drop: (series: { instrumentId: string; timeFrame: TimeFrame }) => Promise<Dropped>;
}

/** Makes them from ports and settings. */
export function createComponents(deps: Deps, settings: MarketDataSettings, log: Logger): Components {
  const { clock } = deps;
  const { dataCollect } = deps.clients;
  const store = new Store(deps.db);
  const kept = new KeptSeries(store, clock, log);
  const lock = new KeyedLock();
  const writer = new CandleWriter({ deps, store, kept, dataCollect, log });
  const teller = createTeller(deps, log);
  const incarnation = rememberFor(INCARNATION_MS, clock, () => store.incarnation());
  const cached = { cache: deps.cache, cacheMs: settings.R3_MARKET_DATA_CACHE_MS, incarnation };
  const instruments = new InstrumentTable({ db: deps.db, store, clock, log, dataCollect });
  const quotes = new QuoteBoard(clock, settings.R3_MARKET_DATA_QUOTES_MS);
  const stream = new MarketStream({ store, quotes, log });
  const ensuring = {
    store,
    kept,
    writer,
    instruments,
    dataCollect,
    lock,
    clock,
    partitionOf: (id: string) => deps.bus.partitionOf(id),
    leastHistory: settings.R3_MARKET_DATA_LEAST_HISTORY,
  };
  return {
    store,
    kept,
    lock,
    writer,
    teller,
    instruments,
    trades: new TradeKeeper({
      kept,
      writer,
      dataCollect,
      lock,
      clock,
      log,
      graceMs: settings.R3_MARKET_DATA_LATE_TRADES_MS,
      tell: teller.tell,
    }),
    quotes,
    stream,
    sockets: new StreamSockets({ stream, clock, log, most: settings.R3_MARKET_DATA_STREAM_SOCKETS }),
    pages: new CandlePages({ ...cached, store }),
    ensure: (request) => ensureSeries(ensuring, request),
    drop: (series) => dropSeries({ db: deps.db, kept }, series),
  };
}

/** Remembers what was read for so long; a failure is asked for again. */
function rememberFor(forMs: number, clock: Pick<Clock, "monotonicMs">, read: () => Promise<string>) {
  let known: { value: string; readAtMs: number } | null = null;
  return async (): Promise<string> => {
    if (known === null || clock.monotonicMs() - known.readAtMs >= forMs)
      known = { readAtMs: clock.monotonicMs(), value: await read() };
    return known.value;
  };
}

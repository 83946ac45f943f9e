import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db } from "#shared/db/db.ts";
import { listInstruments, readInstrument } from "#shared/db/reference-rows.ts";
import { type Instrument, parseInstrumentId } from "#shared/domain/instrument.ts";
import { AppError, hasCode } from "#shared/errors/app-error.ts";
import type { DataCollectClient } from "#shared/http/clients.ts";
import type { Store } from "./store.ts";

export interface InstrumentTableOptions {
  db: Db;
  store: Store;
  clock: Clock;
  log: Logger;
  dataCollect: DataCollectClient;
}

/** `reference.instruments`: what the venues trade. This service is its one writer. */
export class InstrumentTable {
  readonly #options: InstrumentTableOptions;

  constructor(options: InstrumentTableOptions) {
    this.#options = options;
  }

  /** As it was read last; null: unknown to every venue. An instrument that is not kept yet is asked for at its venue. */
  async find(id: string): Promise<Instrument | null> {
    return (await readInstrument(this.#options.db.sql, id)) ?? (await this.#asked(id));
  }

  /** NOT_FOUND (404) where `find` says null. */
  async get(id: string): Promise<Instrument> {
    const found = await this.find(id);
    if (found !== null) return found;
    const message = `There is no instrument "${id}" at any venue: GET /api/market-data/instruments lists those there are.`;
    throw new AppError("NOT_FOUND", "permanent", message, { details: { instrumentId: id } });
  }

  /** By their ids, after `afterId`. */
  async list(query: { venue?: string | undefined; afterId: string; limit: number }): Promise<Instrument[]> {
    return await listInstruments(this.#options.db.sql, query);
  }

  /** Reads a venue's instruments and keeps them. */
  async refresh(venue: string): Promise<void> {
    const { store, clock, dataCollect, log } = this.#options;
    const instruments = await dataCollect.instruments(venue);
    const gone = await store.keepInstruments(venue, instruments, clock.nowMs());
    if (gone.length > 0) log.warn({ venue, instruments: gone }, "instruments are gone");
    log.debug({ venue, instruments: instruments.length }, "instruments refreshed");
  }

  async #asked(id: string): Promise<Instrument | null> {
    const venue = parseInstrumentId(id)?.venue;
    if (venue === undefined) return null;
    try {
      await this.refresh(venue);
    } catch (error) {
      // The one expected outcome: there is no such venue.
      if (hasCode(error, "NOT_FOUND")) return null;
      throw error;
    }
    return await readInstrument(this.#options.db.sql, id);
  }
}

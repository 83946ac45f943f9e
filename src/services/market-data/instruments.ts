import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import type { Db } from "#shared/db/db.ts";
import { type Instrument, instrumentSchema, parseInstrumentId } from "#shared/domain/instrument.ts";
import { AppError, hasCode } from "#shared/errors/app-error.ts";
import type { DataCollectClient } from "#shared/http/clients.ts";

export interface InstrumentsOptions {
  db: Db;
  clock: Clock;
  log: Logger;
  dataCollect: DataCollectClient;
}

/** `reference.instruments`: what the venues trade. This service is its one writer. */
export class Instruments {
  readonly #options: InstrumentsOptions;

  constructor(options: InstrumentsOptions) {
    this.#options = options;
  }

  /** As it was read last; null: unknown to every venue. An instrument that is not kept yet is asked for at its venue. */
  async find(id: string): Promise<Instrument | null> {
    return (await this.#kept(id)) ?? (await this.#asked(id));
  }

  /** NOT_FOUND (404) where `find` says null. */
  async get(id: string): Promise<Instrument> {
    const found = await this.find(id);
    if (found !== null) return found;
    const message = `There is no instrument "${id}" at any venue.`;
    throw new AppError("NOT_FOUND", "permanent", message, { details: { instrumentId: id } });
  }

  async list(query: { venue?: string | undefined; afterId: string; limit: number }): Promise<Instrument[]> {
    const { sql } = this.#options.db;
    const rows = await sql<{ instrument: unknown }[]>`
      select instrument from reference.instruments
      where id > ${query.afterId} ${query.venue === undefined ? sql`` : sql`and venue = ${query.venue}`}
      order by id limit ${query.limit}`;
    return rows.map((row) => instrumentSchema.parse(row.instrument));
  }

  /** Reads a venue's instruments and keeps them. */
  async refresh(venue: string): Promise<void> {
    const { db, clock, dataCollect, log } = this.#options;
    const instruments = await dataCollect.instruments(venue);
    const rows = instruments.map((instrument) => ({ id: instrument.id, venue, instrument }));
    // As JSON in one parameter: a real venue has thousands.
    await db.sql`
      insert into reference.instruments (id, venue, instrument, updated_at_ms)
      select row ->> 'id', row ->> 'venue', row -> 'instrument', ${clock.nowMs()}
      from jsonb_array_elements(${db.sql.json(rows)}::jsonb) as row
      on conflict (id) do update
      set instrument = excluded.instrument, updated_at_ms = excluded.updated_at_ms
      where reference.instruments.instrument is distinct from excluded.instrument`;
    // The row of one that is gone stays: orders and positions name it.
    const gone = await db.sql<{ id: string }[]>`
      update reference.instruments
      set instrument = jsonb_set(instrument, '{status}', '"GONE"'), updated_at_ms = ${clock.nowMs()}
      where venue = ${venue} and instrument ->> 'status' <> 'GONE' and id <> all(${rows.map(({ id }) => id)})
      returning id`;
    if (gone.length > 0) log.warn({ venue, instruments: gone.map(({ id }) => id) }, "instruments are gone");
    log.debug({ venue, instruments: instruments.length }, "instruments refreshed");
  }

  async #kept(id: string): Promise<Instrument | null> {
    const [row] = await this.#options.db.sql<{ instrument: unknown }[]>`
      select instrument from reference.instruments where id = ${id}`;
    return row === undefined ? null : instrumentSchema.parse(row.instrument);
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
    return await this.#kept(id);
  }
}

import type { Db } from "#shared/db/db.ts";
import { readInstrument, readInstrumentBySymbol } from "#shared/db/reference-rows.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { AppError } from "#shared/errors/app-error.ts";

/**
 * Instruments by id and by the venue's name, kept in memory: names and assets of an instrument never change. Its steps and
 * minimums may, so it is read anew for each order that is sent.
 */
export interface KnownInstruments {
  /** NOT_FOUND (transient) when market-data has not stored it yet. */
  byId(id: string): Promise<Instrument>;
  /** Null: nobody here trades it. */
  bySymbol(venue: string, venueSymbol: string): Promise<Instrument | null>;
  /** One as it was read in the transaction that says what is sent next. */
  learn(instrument: Instrument): void;
}

export function createKnownInstruments(db: Db): KnownInstruments {
  const known = new Map<string, Instrument>();
  const named = new Map<string, Instrument>();
  const learn = (instrument: Instrument): void => {
    known.set(instrument.id, instrument);
    named.set(`${instrument.venue} ${instrument.venueSymbol}`, instrument);
  };
  return {
    async byId(id) {
      if (!known.has(id)) {
        const read = await readInstrument(db.sql, id);
        if (read !== null) learn(read);
      }
      const instrument = known.get(id);
      if (instrument !== undefined) return instrument;
      throw new AppError("NOT_FOUND", "transient", `The instrument ${id} is not stored yet.`, { details: { id } });
    },
    async bySymbol(venue, venueSymbol) {
      const name = `${venue} ${venueSymbol}`;
      if (!named.has(name)) {
        const read = await readInstrumentBySymbol(db.sql, venue, venueSymbol);
        if (read !== null) learn(read);
      }
      return named.get(name) ?? null;
    },
    learn,
  };
}

import type { Db } from "#shared/db/db.ts";
import { type OnUnreadable, readInstrument, readInstrumentBySymbol, whyUnreadable } from "#shared/db/reference-rows.ts";
import { type Instrument, instrumentSchema } from "#shared/domain/instrument.ts";
import { AppError } from "#shared/errors/app-error.ts";

/**
 * Instruments by id and by the venue's name, kept in memory: names and assets of an instrument never change. Its steps and
 * minimums may, so it is read anew for each order that is sent. A row that cannot be read is an error for those who ask for it.
 */
export interface KnownInstruments {
  /** NOT_FOUND (transient) when market-data has not stored it yet. */
  byId(id: string): Promise<Instrument>;
  /** Null: nobody here trades it. */
  bySymbol(venue: string, venueSymbol: string): Promise<Instrument | null>;
  /** A row as it was read in the transaction that says what is sent next. Of one that cannot be read what was known stays. */
  learn(row: unknown): void;
}

/** What a row that cannot be read calls itself. */
function nameOf(row: unknown): string {
  return typeof row === "object" && row !== null && "id" in row ? String(row.id) : "without an id";
}

export function createKnownInstruments(db: Db, onUnreadable: OnUnreadable): KnownInstruments {
  const known = new Map<string, Instrument>();
  const named = new Map<string, Instrument>();
  const keep = (instrument: Instrument): void => {
    known.set(instrument.id, instrument);
    named.set(`${instrument.venue} ${instrument.venueSymbol}`, instrument);
  };
  return {
    async byId(id) {
      if (!known.has(id)) {
        const read = await readInstrument(db.sql, id);
        if (read !== null) keep(read);
      }
      const instrument = known.get(id);
      if (instrument !== undefined) return instrument;
      throw new AppError("NOT_FOUND", "transient", `The instrument ${id} is not stored yet.`, { details: { id } });
    },
    async bySymbol(venue, venueSymbol) {
      const name = `${venue} ${venueSymbol}`;
      if (!named.has(name)) {
        const read = await readInstrumentBySymbol(db.sql, venue, venueSymbol);
        if (read !== null) keep(read);
      }
      return named.get(name) ?? null;
    },
    learn(row) {
      const read = instrumentSchema.safeParse(row);
      if (read.success) keep(read.data);
      else onUnreadable({ what: "instrument", id: nameOf(row), reason: whyUnreadable(instrumentSchema, row) });
    },
  };
}

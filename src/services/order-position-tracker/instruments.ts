import type { Db } from "#shared/db/db.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { AppError } from "#shared/errors/app-error.ts";

/** Instruments by id and by the venue's name, kept in memory: names and assets of an instrument never change. */
export interface Instruments {
  /** NOT_FOUND (transient) when market-data has not stored it yet. */
  byId(id: string): Promise<Instrument>;
  /** Null: nobody here trades it. */
  bySymbol(venue: string, venueSymbol: string): Promise<Instrument | null>;
}

export function createInstruments(db: Db): Instruments {
  const known = new Map<string, Instrument>();
  const named = new Map<string, Instrument>();
  const learn = (rows: readonly { instrument: Instrument }[]) => {
    for (const { instrument } of rows) {
      known.set(instrument.id, instrument);
      named.set(`${instrument.venue} ${instrument.venueSymbol}`, instrument);
    }
  };
  return {
    async byId(id) {
      if (!known.has(id)) {
        learn(
          await db.sql<{ instrument: Instrument }[]>`select instrument from reference.instruments where id = ${id}`,
        );
      }
      const instrument = known.get(id);
      if (instrument !== undefined) return instrument;
      throw new AppError("NOT_FOUND", "transient", `The instrument ${id} is not stored yet.`, { details: { id } });
    },
    async bySymbol(venue, venueSymbol) {
      const name = `${venue} ${venueSymbol}`;
      if (!named.has(name)) {
        learn(
          await db.sql<{ instrument: Instrument }[]>`
            select instrument from reference.instruments
            where venue = ${venue} and instrument ->> 'venueSymbol' = ${venueSymbol}`,
        );
      }
      return named.get(name) ?? null;
    },
  };
}

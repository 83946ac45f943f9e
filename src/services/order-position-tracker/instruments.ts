import type { Db, Sql } from "#shared/db/db.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { AppError } from "#shared/errors/app-error.ts";

/**
 * Instruments by id and by the venue's name, kept in memory: names and assets of an instrument never change. Its steps and
 * minimums may, so it is read anew for each order that is sent.
 */
export interface Instruments {
  /** NOT_FOUND (transient) when market-data has not stored it yet. */
  byId(id: string): Promise<Instrument>;
  /** Null: nobody here trades it. */
  bySymbol(venue: string, venueSymbol: string): Promise<Instrument | null>;
  /** Reads one anew, in the transaction that says what is sent next. */
  renew(tx: { sql: Sql }, id: string): Promise<void>;
}

interface InstrumentRow {
  instrument: Instrument;
}

function readInstrument({ sql }: { sql: Sql }, id: string) {
  return sql<InstrumentRow[]>`select instrument from reference.instruments where id = ${id}`;
}

export function createInstruments(db: Db): Instruments {
  const known = new Map<string, Instrument>();
  const named = new Map<string, Instrument>();
  const learn = (rows: readonly InstrumentRow[]) => {
    for (const { instrument } of rows) {
      known.set(instrument.id, instrument);
      named.set(`${instrument.venue} ${instrument.venueSymbol}`, instrument);
    }
  };
  return {
    async byId(id) {
      if (!known.has(id)) learn(await readInstrument(db, id));
      const instrument = known.get(id);
      if (instrument !== undefined) return instrument;
      throw new AppError("NOT_FOUND", "transient", `The instrument ${id} is not stored yet.`, { details: { id } });
    },
    async bySymbol(venue, venueSymbol) {
      const name = `${venue} ${venueSymbol}`;
      if (!named.has(name)) {
        learn(
          await db.sql<InstrumentRow[]>`
            select instrument from reference.instruments
            where venue = ${venue} and instrument ->> 'venueSymbol' = ${venueSymbol}`,
        );
      }
      return named.get(name) ?? null;
    },
    renew: async (tx, id) => learn(await readInstrument(tx, id)),
  };
}

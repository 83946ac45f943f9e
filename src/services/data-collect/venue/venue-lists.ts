import type { Clock } from "#shared/clock/clock.ts";
import { type Instrument, parseInstrumentId } from "#shared/domain/instrument.ts";
import { AppError } from "#shared/errors/app-error.ts";
import type { Exchanges } from "#shared/exchange/exchange.ts";

/** A list this young is not asked for again because an instrument is missing in it. */
const FRESH_MS = 5_000;

interface VenueList {
  readAtMs: number;
  byId: ReadonlyMap<string, Instrument>;
}

/** Each venue's own list of its instruments, kept in memory for `maxAgeMs`. Failures of the venue are passed on; nothing of them is kept. */
export class VenueLists {
  readonly #exchanges: Exchanges;
  readonly #clock: Clock;
  readonly #maxAgeMs: number;
  readonly #lists = new Map<string, VenueList>();
  readonly #reading = new Map<string, Promise<VenueList>>();

  constructor(exchanges: Exchanges, clock: Clock, maxAgeMs: number) {
    this.#exchanges = exchanges;
    this.#clock = clock;
    this.#maxAgeMs = maxAgeMs;
  }

  /** NOT_FOUND for a venue that the settings do not name. */
  async ofVenue(venue: string, maxAgeMs = this.#maxAgeMs): Promise<Instrument[]> {
    return [...(await this.#list(venue, maxAgeMs)).byId.values()];
  }

  /**
   * How an instrument stands by its venue's newest list; null: no list was read yet. An old list is read again in the
   * background, so that this answers at once.
   */
  status(instrumentId: string): Instrument | "gone" | null {
    const venue = parseInstrumentId(instrumentId)?.venue;
    if (venue === undefined || !this.#exchanges.venues.includes(venue)) return null;
    const kept = this.#lists.get(venue);
    // A failure is the venue's, and is told by those who have to wait for it.
    this.#list(venue, this.#maxAgeMs).catch(() => undefined);
    if (kept === undefined) return null;
    return kept.byId.get(instrumentId) ?? "gone";
  }

  /** NOT_FOUND where neither the settings know the venue nor the venue the instrument. */
  async get(instrumentId: string): Promise<Instrument> {
    const venue = parseInstrumentId(instrumentId)?.venue;
    if (venue !== undefined && this.#exchanges.venues.includes(venue)) {
      const known = (await this.#list(venue, this.#maxAgeMs)).byId.get(instrumentId);
      if (known !== undefined) return known;
      const asked = (await this.#list(venue, FRESH_MS)).byId.get(instrumentId);
      if (asked !== undefined) return asked;
    }
    const message = `There is no instrument "${instrumentId}" at any venue of the settings: GET /api/market-data/instruments lists those there are.`;
    throw new AppError("NOT_FOUND", "permanent", message, { details: { instrumentId } });
  }

  async #list(venue: string, maxAgeMs: number): Promise<VenueList> {
    const kept = this.#lists.get(venue);
    if (kept !== undefined && this.#clock.monotonicMs() - kept.readAtMs < maxAgeMs) return kept;
    const running = this.#reading.get(venue) ?? this.#read(venue);
    this.#reading.set(venue, running);
    try {
      return await running;
    } finally {
      this.#reading.delete(venue);
    }
  }

  async #read(venue: string): Promise<VenueList> {
    const instruments = await this.#exchanges.marketData(venue).instruments();
    const byId = new Map(instruments.map((instrument) => [instrument.id, instrument]));
    const list = { readAtMs: this.#clock.monotonicMs(), byId };
    this.#lists.set(venue, list);
    return list;
  }
}

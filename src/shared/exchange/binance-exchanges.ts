import type { Logger } from "pino";
import type { Clock } from "#shared/clock/clock.ts";
import { AppError, type ErrorKind } from "#shared/errors/app-error.ts";
import { type Bans, createBans } from "./bans.ts";
import { BinanceAccount } from "./binance-account.ts";
import { LazyConnection } from "./binance-lazy-connection.ts";
import { BinanceMarketData } from "./binance-market-data.ts";
import { addressOf, type BinanceUrls, ordersAddressOf } from "./binance-urls.ts";
import type { Exchanges, VenueAccount } from "./exchange.ts";

/** A venue of the settings. Without a `restUrl` it is the real one. */
interface VenueSettings extends BinanceUrls {
  id: string;
  connector: "binance";
  /** Wall time where it is not given. */
  marketClock?: "wall" | "replay";
  /** A minute where it is not given. */
  listLagMs?: number;
}

interface AccountSettings {
  id: string;
  venue: string;
  apiKey: string;
  secret: string;
}

export interface BinanceExchangesOptions {
  venues: readonly VenueSettings[];
  accounts: readonly AccountSettings[];
  clock: Clock;
  log: Logger;
  /** Default: bans that this process was told of alone. */
  bans?: Bans;
}

const DEFAULT_LIST_LAG_MS = 60_000;

/** Whether orders sent there cost money. */
function isLive({ restUrl }: VenueSettings): boolean {
  return restUrl === undefined || /(^|\.)binance\.(com|us)$/.test(new URL(restUrl).hostname);
}

function notFound(what: string, id: string, kind: ErrorKind = "permanent"): AppError {
  return new AppError("NOT_FOUND", kind, `There is no ${what} "${id}" in the settings.`, { details: { id } });
}

/** Connectors to Binance, made when they are first asked for. An account of an unknown venue is a fault (SETTINGS_INVALID). */
export function createBinanceExchanges(options: BinanceExchangesOptions): Exchanges {
  const { venues, accounts, clock, log } = options;
  const bans = options.bans ?? createBans({ store: null, clock, log });
  const venueById = new Map(venues.map((venue) => [venue.id, venue]));
  const accountById = new Map(accounts.map((account) => [account.id, account]));
  const marketData = new Map<string, BinanceMarketData>();
  const opened = new Map<string, VenueAccount>();
  for (const { id, venue } of accounts) {
    if (venueById.has(venue)) continue;
    const message = `The account "${id}" is at the venue "${venue}", which is not among the venues.`;
    throw new AppError("SETTINGS_INVALID", "permanent", message);
  }

  function connect(venue: VenueSettings, keys?: AccountSettings): LazyConnection {
    return new LazyConnection({
      restUrl: venue.restUrl,
      wsUrl: venue.wsUrl,
      wsApiUrl: venue.wsApiUrl,
      ...(keys === undefined ? {} : { apiKey: keys.apiKey, secret: keys.secret, accountId: keys.id }),
      clock,
      bans,
      log: log.child({ venue: venue.id, ...(keys === undefined ? {} : { accountId: keys.id }) }),
    });
  }

  const isReplay = (id: string): boolean => venueById.get(id)?.marketClock === "replay";
  const orderAddresses = (accountId: string): string[] => {
    const venue = venueById.get(accountById.get(accountId)?.venue ?? "") ?? {};
    return [addressOf(venue), ordersAddressOf(venue, accountId)];
  };

  return {
    venues: venues.map(({ id }) => id),
    accounts: accounts.map(({ id, venue }) => ({ id, venue })),
    live: venues.some(isLive),
    marketNowMs: (id) => (isReplay(id) ? null : (marketData.get(id)?.nowMs() ?? clock.nowMs())),
    bannedUntilMs(id) {
      const venue = venueById.get(id);
      return venue === undefined ? null : bans.untilMs(addressOf(venue));
    },
    orderBanUntilMs: (id) => Math.max(...orderAddresses(id).map((address) => bans.untilMs(address) ?? 0)) || null,
    orderBanAddresses: orderAddresses,
    listLagMs: (id) => venueById.get(id)?.listLagMs ?? DEFAULT_LIST_LAG_MS,
    marketData(id) {
      const venue = venueById.get(id);
      if (venue === undefined) throw notFound("venue", id);
      const keys = accounts.find((account) => account.venue === id);
      const known = marketData.get(id);
      if (known !== undefined) return known;
      const connection = connect(venue, keys);
      const made = new BinanceMarketData({ venue: id, connection, hasKey: keys !== undefined, clock, log });
      marketData.set(id, made);
      return made;
    },
    account(id) {
      const keys = accountById.get(id);
      const venue = keys === undefined ? undefined : venueById.get(keys.venue);
      // Its keys are given again some day: what is to be done on it waits for that.
      if (keys === undefined || venue === undefined) throw notFound("account", id, "outage");
      const known = opened.get(id);
      if (known !== undefined) return known;
      const made = new BinanceAccount({ venue: venue.id, accountId: id, connection: connect(venue, keys) });
      opened.set(id, made);
      return made;
    },
    async close() {
      await Promise.all([...marketData.values(), ...opened.values()].map((connector) => connector.close()));
    },
  };
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { connectorsTo, type ExchangeStage, type ExchangeTold, type ToldBar } from "./exchange-contract.fixture.ts";
import { type PaperVenue, startPaperVenue } from "./paper-venue.fixture.ts";

const KEYS = { apiKey: "key", secret: "secret" };
const RULES = { priceStep: "0.000001", sizeStep: "0.0001", minSize: "0.0001", minNotional: "10" };
const COMMON = {
  symbol: "SPX/USD",
  rules: RULES,
  fees: { maker: "0.0005", taker: "0.001" },
  account: { ...KEYS, balances: { USD: "10000" } },
};

/** Bars of a day each, from 2000-01-01 on. */
const DAYS = 7;
/** How many of them have been shown as the suite begins. */
const SHOWN = 4;

/** The n-th bar, from 0 on. */
function barOf(n: number): ToldBar {
  return {
    openAtMs: Date.UTC(2000, 0, 1 + n),
    closeAtMs: Date.UTC(2000, 0, 2 + n),
    open: `${100 + n}`,
    high: `${103 + n}.5`,
    low: `${98 + n}.25`,
    close: `${101 + n}.125`,
    volume: "1000003",
    prevOpenAtMs: n === 0 ? null : Date.UTC(2000, 0, n),
  };
}

function csv(): string {
  const rows = Array.from({ length: DAYS }, (_, n) => barOf(n)).map(({ openAtMs, open, high, low, close, volume }) =>
    [new Date(openAtMs).toISOString().slice(0, 10), open, high, low, close, volume].join(),
  );
  return ["date,open,high,low,close,volume", ...rows].join("\n");
}

/** The trades that a bar shows: open, low, high and close, each with a quarter of the volume. */
function tradesOf(n: number) {
  const { open, low, high, close } = barOf(n);
  return [open, low, high, close].map((price, at) => ({ tradeId: `${4 * n + at + 1}`, price, size: "250000.75" }));
}

/** A replay's best prices are both its last one. */
function quoteAt({ price, size }: { price: string; size: string }) {
  return { bid: price, bidSize: size, ask: price, askSize: size };
}

const TOLD: ExchangeTold = {
  instrument: {
    id: "SPX/USD.replay",
    symbol: "SPX/USD",
    venue: "replay",
    venueSymbol: "SPXUSD",
    base: "SPX",
    quote: "USD",
    ...RULES,
    maxSize: "9000000000",
    marketSizeStep: null,
    marketMinSize: "0",
    marketMaxSize: null,
    minNotionalAppliesToMarket: true,
    maxNotional: "9000000000",
    maxNotionalAppliesToMarket: true,
    priceBand: null,
    maxOpenOrders: null,
    makerFee: "0.001",
    takerFee: "0.001",
    feeDecimals: 8,
    status: "TRADING",
    marketEnded: false,
    timeFrames: ["1d"],
  },
  timeFrame: "1d",
  bars: [barOf(1), barOf(2), barOf(3)],
  trades: [tradesOf(3)[2] ?? never(), tradesOf(3)[3] ?? never()],
  next: { bar: barOf(4), barFrames: 1, trades: tradesOf(4), quotes: tradesOf(4).map(quoteAt) },
  quote: quoteAt(tradesOf(3)[3] ?? never()),
  filled: {
    request: { clientOrderId: "filled-1", side: "BUY", style: { type: "MARKET" }, size: "1.2345" },
    fills: [{ price: "10.5", size: "1.2345", fee: "0.0012345", feeAsset: "SPX", maker: false }],
    balances: [
      { asset: "USD", free: "9987.03775", locked: "0" },
      { asset: "SPX", free: "1.2332655", locked: "0" },
    ],
  },
  resting: {
    request: {
      clientOrderId: "resting-1",
      side: "BUY",
      style: { type: "LIMIT", price: "5.25", timeInForce: "GTC" },
      size: "4",
    },
    fills: [],
    balances: [{ asset: "USD", free: "9966.03775", locked: "21" }],
  },
  reached: {
    request: {
      clientOrderId: "reached-1",
      side: "BUY",
      style: { type: "LIMIT", price: "10.25", timeInForce: "GTC" },
      size: "2",
    },
    fills: [{ price: "10.25", size: "2", fee: "0.001", feeAsset: "SPX", maker: true }],
    balances: [
      { asset: "USD", free: "9966.53775", locked: "0" },
      { asset: "SPX", free: "3.2322655", locked: "0" },
    ],
  },
  refused: { request: { clientOrderId: "refused-1", side: "BUY", style: { type: "MARKET" }, size: "1000000" } },
};

function never(): never {
  throw new Error("A bar has four trades.");
}

/** What befalls, as the venue's control names it. */
const FAULTS: Record<Parameters<ExchangeStage["befall"]>[0], object> = {
  "server-error": { fault: "answer-5xx", what: "GET account", status: 503, times: 1 },
  "too-many-requests": { fault: "banned", what: "GET account", status: 429, retryAfterMs: 60_000 },
  "unclear-order": { fault: "answer-5xx", what: "POST order", status: 504, times: 1 },
};

async function releaseUntil(venue: PaperVenue, bars: number): Promise<void> {
  const stateSchema = z.object({ step: z.number(), bar: z.number() });
  for (;;) {
    const { step, bar } = stateSchema.parse(await (await fetch(`${venue.url("replay")}/control/state`)).json());
    if (bar >= bars) return;
    await venue.control("replay", "release", { step });
  }
}

/** The simulated venue as a process: market data of a replay that is released by hand, orders at prices that are told. */
export async function startPaperStage(): Promise<ExchangeStage> {
  const folder = await mkdtemp(join(tmpdir(), "paper-stage-"));
  await Bun.write(join(folder, "bars.csv"), csv());
  const venue = await startPaperVenue([
    { ...COMMON, id: "replay", pace: "lockstep", timeFrame: "1d", bars: join(folder, "bars.csv") },
    { ...COMMON, id: "ticker", pace: "manual" },
  ]);
  await releaseUntil(venue, SHOWN);
  await venue.control("ticker", "tick", { price: "10.5" });
  return {
    venue: "replay",
    account: "trader",
    stranger: "stranger",
    told: TOLD,
    connect: () => connectorsTo({ replay: venue.url("replay"), ticker: venue.url("ticker") }, "ticker"),
    showNext: () => releaseUntil(venue, SHOWN + 1),
    reach: () => venue.control("ticker", "tick", { price: "10" }),
    befall: (what) => venue.control("ticker", "faults", { seed: 1, faults: [FAULTS[what]] }),
    calm: () => venue.control("ticker", "faults", { seed: 1, faults: [] }),
    async close() {
      await venue.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

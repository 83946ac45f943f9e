import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { pino } from "pino";
import { systemClock } from "#shared/clock/system.ts";
import { until } from "#shared/clock/until.fixture.ts";
import type { Quote, VenueBar, VenueTrade } from "#shared/domain/candle.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import { createBinanceExchanges } from "./binance-exchanges.ts";
import type {
  AccountEvent,
  Exchanges,
  PlaceRequest,
  VenueAccount,
  VenueBalance,
  VenueFill,
  VenueMarketData,
} from "./exchange.ts";

/** A bar without what its reader adds. */
export type ToldBar = Omit<VenueBar, "instrumentId" | "timeFrame" | "receivedAtMs">;
export type ToldQuote = Pick<Quote, "bid" | "bidSize" | "ask" | "askSize">;
export type ToldTrade = Pick<VenueTrade, "tradeId" | "price" | "size">;

/** An order that the suite sends, what its executions are, and what the account has then of the assets that it is about. */
export interface ToldOrder {
  request: Pick<PlaceRequest, "clientOrderId" | "side" | "style" | "size">;
  fills: Pick<VenueFill, "price" | "size" | "fee" | "feeAsset" | "maker">[];
  balances: VenueBalance[];
}

/** What a venue of the suite tells, to the last digit. The orders are sent in this order. */
export interface ExchangeTold {
  instrument: Instrument;
  timeFrame: TimeFrame;
  /** The newest closed bars, oldest first. */
  bars: readonly [ToldBar, ToldBar, ToldBar];
  /** The newest trades, oldest first. */
  trades: readonly [ToldTrade, ToldTrade];
  /** What follows them, once it is shown; the last one of its so many frames of bars has the closed bar, the others one that forms. */
  next: { bar: ToldBar; barFrames: number; trades: ToldTrade[]; quotes: ToldQuote[] };
  /** Best bid and ask before that. */
  quote: ToldQuote;
  /** A market order that is filled at once. */
  filled: ToldOrder;
  /** A limit order that is not filled; the balances are those while it is open. */
  resting: ToldOrder;
  /** A limit order that prices reach later. */
  reached: ToldOrder;
  /** A market order that the account cannot pay. */
  refused: Pick<ToldOrder, "request">;
}

/** A venue as the suite needs it. */
export interface ExchangeStage {
  /** Connectors that know nothing of what others were told. */
  connect(): Exchanges;
  /** Whose market data. */
  readonly venue: string;
  readonly account: string;
  /** An account whose key the venue does not know. */
  readonly stranger: string;
  readonly told: ExchangeTold;
  /** The market's next trades, and the end of the bar that they are in. */
  showNext(): Promise<void>;
  /** Prices reach the order that is to be reached. */
  reach(): Promise<void>;
  /**
   * What befalls until it is calm again: a question about balances is answered by an error of the server, or by 429 and a minute to wait; an
   * order takes effect, and its answer says that nobody knows.
   */
  befall(what: "server-error" | "too-many-requests" | "unclear-order"): Promise<void>;
  /** Nothing befalls any more. */
  calm(): Promise<void>;
  close(): Promise<void>;
}

const KEYS = { apiKey: "key", secret: "secret" };

/** Connectors to a stage's venues, given with their addresses; `trader` has the key that they know, `stranger` another one. */
export function connectorsTo(venues: Readonly<Record<string, string>>, accountVenue: string): Exchanges {
  return createBinanceExchanges({
    venues: Object.entries(venues).map(([id, restUrl]) => ({ id, connector: "binance", restUrl })),
    accounts: [
      { id: "trader", venue: accountVenue, ...KEYS },
      { id: "stranger", venue: accountVenue, apiKey: "another-key", secret: "another-secret" },
    ],
    clock: systemClock,
    log: pino({ level: "silent" }),
  });
}

/** What the tests of one stage share. */
interface Scene {
  stage: ExchangeStage;
  exchanges: Exchanges;
  /** All that the account's stream has told. */
  events: AccountEvent[];
}

/** Declares what every connector to every venue has to do. */
export function describeExchange(name: string, start: () => Promise<ExchangeStage>): void {
  describe(`the connector on ${name}`, () => {
    const scene = { events: [] } as unknown as Scene;
    const stop = new AbortController();
    let following: Promise<void>;

    beforeAll(async () => {
      scene.stage = await start();
      scene.exchanges = scene.stage.connect();
      const connected = Promise.withResolvers<void>();
      following = scene.exchanges.account(scene.stage.account).follow({
        signal: stop.signal,
        onEvent: (event) => scene.events.push(event),
        onConnected: connected.resolve,
      });
      await connected.promise;
    });

    afterAll(async () => {
      stop.abort();
      await following;
      await scene.exchanges.close();
      await scene.stage.close();
    });

    describeMarketData(scene);
    describeBarsAndTrades(scene);
    describeFilled(scene);
    describeResting(scene);
    describeRefusals(scene);
    describeFailures(scene);
  });
}

function toldBar({ instrumentId: _id, timeFrame: _frame, receivedAtMs: _received, ...bar }: VenueBar): ToldBar {
  return bar;
}

function toldTrade({ tradeId, price, size }: VenueTrade): ToldTrade {
  return { tradeId, price, size };
}

function toldQuote({ bid, bidSize, ask, askSize }: Quote): ToldQuote {
  return { bid, bidSize, ask, askSize };
}

function describeMarketData(scene: Scene): void {
  const market = (): VenueMarketData => scene.exchanges.marketData(scene.stage.venue);

  test("tells its instruments to the last digit", async () => {
    expect(await market().instruments()).toEqual([scene.stage.told.instrument]);
  });

  test("lists closed bars in order, each with the one before it, and none that forms", async () => {
    const { instrument, timeFrame, bars } = scene.stage.told;
    const [first, second, third] = bars;
    const listed = async (query: object) =>
      (await market().bars({ instrument, timeFrame, limit: 3, ...query })).map(toldBar);
    expect(await listed({})).toEqual([...bars]);
    expect(await listed({ afterMs: first.openAtMs, limit: 2 })).toEqual([second, third]);
    expect(await listed({ fromMs: second.openAtMs, limit: 2 })).toEqual([second, third]);
    expect(await listed({ toMs: third.openAtMs, limit: 1 })).toEqual([second]);
  });

  test("lists trades by their ids, the newest where none is named", async () => {
    const { instrument, trades } = scene.stage.told;
    const [first] = trades;
    expect((await market().trades({ instrument, limit: 2 })).map(toldTrade)).toEqual([...trades]);
    const from = await market().trades({ instrument, fromId: first.tradeId, limit: 1 });
    expect(from.map(toldTrade)).toEqual([first]);
  });
}

function describeBarsAndTrades(scene: Scene): void {
  test("tells best bid and ask when it is asked", async () => {
    const { instrument, quote } = scene.stage.told;
    expect(toldQuote(await scene.exchanges.marketData(scene.stage.venue).quote(instrument))).toEqual(quote);
  });

  test("streams trades, best prices, and bars once they are closed, as its lists have them then", async () => {
    const { instrument, timeFrame, bars: before, next } = scene.stage.told;
    const market = scene.exchanges.marketData(scene.stage.venue);
    const stop = new AbortController();
    const [bars, trades, quotes]: [VenueBar[], VenueTrade[], Quote[]] = [[], [], []];
    const seen = { connected: 0, alive: 0 };
    const follow = {
      instrument,
      signal: stop.signal,
      onAlive: () => (seen.alive += 1),
      onConnected: () => (seen.connected += 1),
    };
    const ends = [
      market.followBars({ ...follow, timeFrame, onBar: (bar) => bars.push(bar) }),
      market.followTrades({ ...follow, onTrades: (more) => trades.push(...more) }),
      market.followQuotes({ ...follow, onQuote: (quote) => quotes.push(quote) }),
    ];
    await until(() => seen.connected === 3);
    await scene.stage.showNext();
    await until(() => bars.length >= 1 && trades.length >= next.trades.length);
    await until(() => quotes.length >= next.quotes.length);
    expect(bars.map(toldBar)).toEqual([{ ...next.bar, prevOpenAtMs: null }]);
    expect(seen.alive).toBe(next.barFrames);
    expect(trades.map(toldTrade)).toEqual(next.trades);
    expect(quotes.map(toldQuote)).toEqual(next.quotes);
    const listed = await market.bars({ instrument, timeFrame, afterMs: before[2].openAtMs, limit: 1 });
    expect(listed.map(toldBar)).toEqual([next.bar]);
    const [first] = next.trades;
    const again = await market.trades({ instrument, fromId: first?.tradeId ?? "", limit: next.trades.length });
    const without = ({ receivedAtMs: _received, ...trade }: VenueTrade) => trade;
    expect(trades.map(without)).toEqual(again.map(without));
    stop.abort();
    await Promise.all(ends);
  });
}

/** An account with the instrument that it trades. */
async function traderOf({ stage, exchanges }: Scene): Promise<{ account: VenueAccount; instrument: Instrument }> {
  const account = exchanges.account(stage.account);
  const [instrument = expect.unreachable()] = await exchanges.marketData(account.venue).instruments();
  return { account, instrument };
}

/** The request as it is sent now, by the venue's clock. */
async function signed(
  { account, instrument }: Awaited<ReturnType<typeof traderOf>>,
  request: ToldOrder["request"],
): Promise<PlaceRequest> {
  return { ...request, instrument, signedAtMs: await account.serverTimeMs(), recvWindowMs: 5_000 };
}

/** What the stream has told of an order: its states, and its executions. */
function streamed({ events }: Scene, clientOrderId: string) {
  const own = events.flatMap((event) => (event.order.clientOrderId === clientOrderId ? [event] : []));
  return {
    states: own.map(({ order }) => order.status),
    fills: own.flatMap(({ fill }) => (fill === undefined ? [] : [fill])),
  };
}

function describeFilled(scene: Scene): void {
  test("an order that is filled at once is told the same by answer, questions, lists and stream", async () => {
    const trader = await traderOf(scene);
    const { account, instrument } = trader;
    const { request, fills, balances } = scene.stage.told.filled;
    const { clientOrderId, size } = request;
    let sent = 0;
    const placed = await account.place({ ...(await signed(trader, request)), onSent: () => (sent += 1) });
    expect(sent).toBe(1);
    if (placed.kind !== "accepted") throw new Error(`The order is ${placed.kind}.`);
    expect(placed.order).toMatchObject({ clientOrderId, status: "FILLED", size, filledSize: size });
    expect(placed.fills).toMatchObject(fills);
    const { venueOrderId } = placed.order;
    const known = { clientOrderId, venueOrderId, status: "FILLED", size, filledSize: size };
    expect(await account.order({ instrument, clientOrderId })).toMatchObject(known);
    expect(await account.orderByVenueId({ instrument, venueOrderId })).toMatchObject(known);
    const told = placed.fills.map(({ tradeId, side }, at) => ({ ...fills[at], tradeId, venueOrderId, side }));
    const page = await account.fills({ instrument, venueOrderId, limit: 10 });
    expect(page).toMatchObject({ fills: told, unreadable: [], rows: fills.length, lastId: told.at(-1)?.tradeId });
    const last = await account.fills({ instrument, fromId: told.at(-1)?.tradeId ?? "", limit: 10 });
    expect(last.fills).toMatchObject(told.slice(-1));
    await until(() => streamed(scene, clientOrderId).states.at(-1) === "FILLED");
    expect(streamed(scene, clientOrderId).fills).toMatchObject(told);
    expect(await account.balances()).toEqual(expect.arrayContaining(balances));
  });
}

function describeResting(scene: Scene): void {
  test("an order that rests is open until it is canceled; a second send of it is no refusal", async () => {
    const trader = await traderOf(scene);
    const { account, instrument } = trader;
    const { request, balances } = scene.stage.told.resting;
    const { clientOrderId } = request;
    const query = { instrument, clientOrderId };
    const open = { clientOrderId, status: "NEW", size: request.size, filledSize: "0" };
    expect(await account.place(await signed(trader, request))).toMatchObject({
      kind: "accepted",
      order: open,
      fills: [],
    });
    expect(await account.order(query)).toMatchObject(open);
    expect(await account.openOrders(instrument)).toMatchObject([open]);
    expect(await account.balances()).toEqual(expect.arrayContaining(balances));
    const again = await account.place(await signed(trader, request)).catch((error: unknown) => error);
    expect(again).toMatchObject({ code: "VENUE_ANSWER_LOST", kind: "transient" });
    expect(await account.cancel(query)).toMatchObject({
      kind: "canceled",
      order: { clientOrderId, status: "CANCELED" },
    });
    expect(await account.cancel(query)).toEqual({ kind: "not-open" });
    expect(await account.order(query)).toMatchObject({ clientOrderId, status: "CANCELED" });
    expect(await account.openOrders(instrument)).toEqual([]);
    await until(() => streamed(scene, clientOrderId).states.length >= 2);
    expect(streamed(scene, clientOrderId)).toEqual({ states: ["NEW", "CANCELED"], fills: [] });
  });

  test("an order that prices reach later is filled as maker, and told by stream and lists", async () => {
    const trader = await traderOf(scene);
    const { account, instrument } = trader;
    const { request, fills, balances } = scene.stage.told.reached;
    const { clientOrderId, size } = request;
    const placed = await account.place(await signed(trader, request));
    expect(placed).toMatchObject({ kind: "accepted", order: { status: "NEW" }, fills: [] });
    await scene.stage.reach();
    await until(() => streamed(scene, clientOrderId).states.at(-1) === "FILLED");
    expect(streamed(scene, clientOrderId).fills).toMatchObject(fills);
    const order = await account.order({ instrument, clientOrderId });
    expect(order).toMatchObject({ status: "FILLED", filledSize: size });
    const page = await account.fills({ instrument, venueOrderId: order?.venueOrderId ?? "", limit: 10 });
    expect(page.fills).toMatchObject(fills);
    expect(await account.balances()).toEqual(expect.arrayContaining(balances));
  });
}

function describeRefusals(scene: Scene): void {
  test("an order that nobody has sent is not known, and not open", async () => {
    const { account, instrument } = await traderOf(scene);
    const query = { instrument, clientOrderId: "nobody-1" };
    expect(await account.order(query)).toBeNull();
    expect(await account.orderByVenueId({ instrument, venueOrderId: "999999999" })).toBeNull();
    expect(await account.cancel(query)).toEqual({ kind: "not-open" });
  });

  test("a refusal, a window that has passed and what is off a step are told apart", async () => {
    const trader = await traderOf(scene);
    const { request } = scene.stage.told.refused;
    expect(await trader.account.place(await signed(trader, request))).toMatchObject({
      kind: "rejected",
      code: "-2010",
      reason: "Account has insufficient balance for requested action.",
    });
    const now = await signed(trader, { ...request, clientOrderId: "late-1" });
    expect(await trader.account.place({ ...now, signedAtMs: now.signedAtMs - 60_000 })).toEqual({
      kind: "window-passed",
    });
    let sent = 0;
    const unsent = { ...now, onSent: () => (sent += 1) };
    expect(await trader.account.place({ ...unsent, size: `${request.size}.000000001` })).toMatchObject({
      kind: "rejected",
      code: "SIZE_NOT_ON_STEP",
    });
    const style = { type: "LIMIT", price: "10.000000001", timeInForce: "GTC" } as const;
    expect(await trader.account.place({ ...unsent, style })).toMatchObject({
      kind: "rejected",
      code: "PRICE_NOT_ON_STEP",
    });
    expect(sent).toBe(0);
  });

  test("who is not known is refused for good", async () => {
    const asked = scene.exchanges.account(scene.stage.stranger).balances();
    expect(await asked.catch((error: unknown) => error)).toMatchObject({
      code: "VENUE_REFUSED",
      kind: "permanent",
      details: { code: "-2015" },
    });
  });
}

function describeFailures(scene: Scene): void {
  test("a server in trouble is transient", async () => {
    await scene.stage.befall("server-error");
    const { account } = await traderOf(scene);
    expect(await account.balances().catch((error: unknown) => error)).toMatchObject({
      code: "VENUE_UNAVAILABLE",
      kind: "transient",
    });
    await scene.stage.calm();
    expect(await account.balances()).not.toEqual([]);
  });

  test("an order whose answer says nothing is lost to us, and known to the venue", async () => {
    const trader = await traderOf(scene);
    await scene.stage.befall("unclear-order");
    const request = { ...scene.stage.told.resting.request, clientOrderId: "unclear-1" };
    const lost = await trader.account.place(await signed(trader, request)).catch((error: unknown) => error);
    expect(lost).toMatchObject({ code: "VENUE_ANSWER_LOST", kind: "transient" });
    await scene.stage.calm();
    const { instrument } = trader;
    expect(await trader.account.order({ instrument, clientOrderId: "unclear-1" })).toMatchObject({ status: "NEW" });
  });

  test("a ban has the end that the venue names, and nothing leaves before it", async () => {
    const exchanges = scene.stage.connect();
    const trader = await traderOf({ ...scene, exchanges });
    const order = await signed(trader, { ...scene.stage.told.filled.request, clientOrderId: "banned-1" });
    await scene.stage.befall("too-many-requests");
    const beforeMs = Date.now();
    const refused = await trader.account.balances().catch((error: unknown) => error);
    const afterMs = Date.now();
    const untilMs = exchanges.bannedUntilMs(trader.account.venue) ?? Number.NaN;
    expect(untilMs).toBeGreaterThanOrEqual(beforeMs + 60_000);
    expect(untilMs).toBeLessThanOrEqual(afterMs + 60_000);
    expect(refused).toMatchObject({ code: "VENUE_BANNED", kind: "transient", details: { untilMs } });
    let sent = 0;
    const placed = await trader.account.place({ ...order, onSent: () => (sent += 1) });
    expect([placed.kind, sent]).toEqual(["not-taken", 0]);
    await scene.stage.calm();
    await exchanges.close();
  });
}

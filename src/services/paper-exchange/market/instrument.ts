import { MADE_FRAMES } from "#services/paper-exchange/prices/candles.ts";
import type { MarketSettings } from "#services/paper-exchange/settings.ts";
import { type Instrument, instrumentId } from "#shared/domain/instrument.ts";

/** Above any price or size a simulation needs. */
const LARGEST = "9000000000";

/** The market's one instrument, from its settings. */
export function instrumentOf(settings: MarketSettings): Instrument {
  const [base = "", quote = ""] = settings.symbol.split("/");
  return {
    id: instrumentId(settings.symbol, "paper"),
    symbol: settings.symbol,
    venue: "paper",
    venueSymbol: `${base}${quote}`,
    base,
    quote,
    priceStep: settings.rules.priceStep,
    sizeStep: settings.rules.sizeStep,
    minSize: settings.rules.minSize,
    maxSize: settings.rules.maxSize ?? LARGEST,
    marketSizeStep: settings.rules.marketSizeStep,
    marketMinSize: settings.rules.marketMinSize,
    marketMaxSize: settings.rules.marketMaxSize,
    minNotional: settings.rules.minNotional,
    minNotionalAppliesToMarket: settings.rules.minNotionalAppliesToMarket,
    maxNotional: settings.rules.maxNotional,
    maxNotionalAppliesToMarket: settings.rules.maxNotionalAppliesToMarket,
    priceBand: settings.rules.priceBand,
    maxOpenOrders: settings.rules.maxOpenOrders,
    makerFee: settings.fees.maker,
    takerFee: settings.fees.taker,
    feeDecimals: settings.rules.feeDecimals,
    status: "TRADING",
    timeFrames: settings.kind === "replay" ? [settings.timeFrame] : [...MADE_FRAMES],
  };
}

/** The answer of GET exchangeInfo, and nothing of another market in it. */
export function exchangeInfoOf(instrument: Instrument, serverTimeMs: number, own: object): object {
  return {
    timezone: "UTC",
    serverTime: serverTimeMs,
    rateLimits: [],
    exchangeFilters: [],
    symbols: [
      {
        symbol: instrument.venueSymbol,
        status: instrument.status === "TRADING" ? "TRADING" : "BREAK",
        baseAsset: instrument.base,
        baseAssetPrecision: 8,
        quoteAsset: instrument.quote,
        quotePrecision: 8,
        quoteAssetPrecision: 8,
        baseCommissionPrecision: instrument.feeDecimals,
        quoteCommissionPrecision: instrument.feeDecimals,
        orderTypes: ["LIMIT", "LIMIT_MAKER", "MARKET"],
        icebergAllowed: false,
        ocoAllowed: false,
        otoAllowed: false,
        quoteOrderQtyMarketAllowed: false,
        allowTrailingStop: false,
        cancelReplaceAllowed: false,
        amendAllowed: false,
        isSpotTradingAllowed: true,
        isMarginTradingAllowed: false,
        filters: filtersOf(instrument),
        // Not Binance's, whose symbols have bars of every length.
        timeFrames: instrument.timeFrames,
        ...own,
        permissions: ["SPOT"],
        permissionSets: [["SPOT"]],
        defaultSelfTradePreventionMode: "NONE",
        allowedSelfTradePreventionModes: ["NONE"],
      },
    ],
  };
}

/** As Binance writes them; a filter that the settings say nothing of is left out. */
function filtersOf(instrument: Instrument): object[] {
  const { priceBand, maxOpenOrders, marketSizeStep, marketMinSize, marketMaxSize } = instrument;
  const filters: object[] = [
    { filterType: "PRICE_FILTER", minPrice: instrument.priceStep, maxPrice: LARGEST, tickSize: instrument.priceStep },
    {
      filterType: "LOT_SIZE",
      minQty: instrument.minSize,
      maxQty: instrument.maxSize ?? LARGEST,
      stepSize: instrument.sizeStep,
    },
    {
      filterType: "NOTIONAL",
      minNotional: instrument.minNotional,
      applyMinToMarket: instrument.minNotionalAppliesToMarket,
      maxNotional: instrument.maxNotional ?? LARGEST,
      applyMaxToMarket: instrument.maxNotionalAppliesToMarket,
      avgPriceMins: 0,
    },
  ];
  if (marketSizeStep !== null || marketMinSize !== "0" || marketMaxSize !== null) {
    const sizes = { minQty: marketMinSize, maxQty: marketMaxSize ?? LARGEST, stepSize: marketSizeStep ?? "0" };
    filters.push({ filterType: "MARKET_LOT_SIZE", ...sizes });
  }
  if (priceBand !== null) {
    filters.push({
      filterType: "PERCENT_PRICE_BY_SIDE",
      bidMultiplierUp: priceBand.bidUp,
      bidMultiplierDown: priceBand.bidDown,
      askMultiplierUp: priceBand.askUp,
      askMultiplierDown: priceBand.askDown,
      avgPriceMins: 0,
    });
  }
  if (maxOpenOrders !== null) filters.push({ filterType: "MAX_NUM_ORDERS", maxNumOrders: maxOpenOrders });
  return filters;
}

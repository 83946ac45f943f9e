import { Decimal, decimal, floorToStep, ONE, ZERO } from "./decimal.ts";
import type { Instrument } from "./instrument.ts";
import type { OrderStyle } from "./signal.ts";

/** What the size of an order has to keep, by its type. Sizes are in the base asset, notionals in the quote asset. */
export interface SizeLimits {
  readonly sizeStep: Decimal;
  /** 100 times the size step, for shares given in percent. */
  readonly hundredSteps: Decimal;
  /** Decimals of the size step where it is a power of ten up to 1, as most are. Null: it is not. */
  readonly sizeDecimals: number | null;
  readonly minSize: Decimal;
  readonly maxSize: Decimal | null;
  /** Zero where it does not apply to the type. */
  readonly minNotional: Decimal;
  readonly maxNotional: Decimal | null;
}

/** The numbers of an instrument, read once: see `Instrument` for what each is. */
export interface InstrumentRules {
  readonly priceStep: Decimal;
  readonly limit: SizeLimits;
  readonly market: SizeLimits;
  readonly makerFee: Decimal;
  readonly takerFee: Decimal;
  /** What one unit of quote costs a taker who buys: 1 + takerFee, and never below 1, since a rebate comes after it. */
  readonly takerCost: Decimal;
}

const READ = new WeakMap<Instrument, InstrumentRules>();

/**
 * The instrument's numbers as decimals. They are kept by the instrument object, since to read a decimal costs more than to
 * multiply two: an instrument must not be changed in place.
 */
export function rulesOf(instrument: Instrument): InstrumentRules {
  const known = READ.get(instrument);
  if (known !== undefined) return known;
  const takerFee = decimal(instrument.takerFee);
  const rules: InstrumentRules = {
    priceStep: decimal(instrument.priceStep),
    limit: limitsOf(instrument, false),
    market: limitsOf(instrument, true),
    makerFee: decimal(instrument.makerFee),
    takerFee,
    takerCost: ONE.plus(Decimal.max(takerFee, ZERO)),
  };
  READ.set(instrument, rules);
  return rules;
}

/** What an order of this type has to keep. */
export function sizeLimitsOf(instrument: Instrument, type: OrderStyle["type"]): SizeLimits {
  const rules = rulesOf(instrument);
  return type === "MARKET" ? rules.market : rules.limit;
}

function limitsOf(instrument: Instrument, market: boolean): SizeLimits {
  const { minNotionalAppliesToMarket, maxNotionalAppliesToMarket } = instrument;
  const sizeStep = decimal((market ? instrument.marketSizeStep : null) ?? instrument.sizeStep);
  const minSize = decimal(instrument.minSize);
  const maxima = market ? [instrument.maxSize, instrument.marketMaxSize] : [instrument.maxSize];
  return {
    sizeStep,
    hundredSteps: sizeStep.times(100),
    sizeDecimals: new Decimal(10).pow(-sizeStep.decimalPlaces()).eq(sizeStep) ? sizeStep.decimalPlaces() : null,
    minSize: market ? Decimal.max(minSize, decimal(instrument.marketMinSize)) : minSize,
    maxSize: leastOf(maxima),
    minNotional: market && !minNotionalAppliesToMarket ? ZERO : decimal(instrument.minNotional),
    maxNotional: market && !maxNotionalAppliesToMarket ? null : leastOf([instrument.maxNotional]),
  };
}

function leastOf(limits: readonly (string | null)[]): Decimal | null {
  const known = limits.filter((limit) => limit !== null).map(decimal);
  return known.length === 0 ? null : Decimal.min(...known);
}

/** The size rounded toward zero to the step, exact: `floorToStep`, without a division where the step allows it. */
export function floorToSizeStep(size: Decimal, { sizeStep, sizeDecimals }: SizeLimits): Decimal {
  return sizeDecimals === null ? floorToStep(size, sizeStep) : size.toDecimalPlaces(sizeDecimals, Decimal.ROUND_DOWN);
}

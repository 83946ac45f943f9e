import { Decimal, decimal, floorToStep, ONE } from "./decimal.ts";
import type { Instrument } from "./instrument.ts";

/** The numbers of an instrument, read once: see `Instrument` for what each is. */
export interface InstrumentRules {
  readonly priceStep: Decimal;
  readonly sizeStep: Decimal;
  /** 100 times the size step, for shares given in percent. */
  readonly hundredSteps: Decimal;
  readonly minSize: Decimal;
  readonly maxSize: Decimal | null;
  readonly minNotional: Decimal;
  readonly maxNotional: Decimal | null;
  readonly makerFee: Decimal;
  readonly takerFee: Decimal;
  /** 1 + takerFee: what one unit of quote costs a taker who buys. */
  readonly takerCost: Decimal;
  /** Decimals of the size step where it is a power of ten up to 1, as most are. Null: it is not. */
  readonly sizeDecimals: number | null;
}

const READ = new WeakMap<Instrument, InstrumentRules>();

/**
 * The instrument's numbers as decimals. They are kept by the instrument object, since to read a decimal costs more than to
 * multiply two: an instrument must not be changed in place.
 */
export function rulesOf(instrument: Instrument): InstrumentRules {
  const known = READ.get(instrument);
  if (known !== undefined) return known;
  const sizeStep = decimal(instrument.sizeStep);
  const takerFee = decimal(instrument.takerFee);
  const rules: InstrumentRules = {
    priceStep: decimal(instrument.priceStep),
    sizeStep,
    hundredSteps: sizeStep.times(100),
    minSize: decimal(instrument.minSize),
    maxSize: instrument.maxSize === null ? null : decimal(instrument.maxSize),
    minNotional: decimal(instrument.minNotional),
    maxNotional: instrument.maxNotional === null ? null : decimal(instrument.maxNotional),
    makerFee: decimal(instrument.makerFee),
    takerFee,
    takerCost: ONE.plus(takerFee),
    sizeDecimals: new Decimal(10).pow(-sizeStep.decimalPlaces()).eq(sizeStep) ? sizeStep.decimalPlaces() : null,
  };
  READ.set(instrument, rules);
  return rules;
}

/** The size rounded toward zero to the instrument's step, exact: `floorToStep`, without a division where the step allows it. */
export function floorToSizeStep(size: Decimal, { sizeStep, sizeDecimals }: InstrumentRules): Decimal {
  return sizeDecimals === null ? floorToStep(size, sizeStep) : size.toDecimalPlaces(sizeDecimals, Decimal.ROUND_DOWN);
}

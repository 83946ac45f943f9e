import { type Book, heldOf } from "#shared/accounting/book.ts";
import { Decimal, decimal, isMultipleOf, plain, timesWithin, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { floorToSizeStep, rulesOf } from "#shared/domain/instrument-rules.ts";
import type { RiskPolicy } from "#shared/domain/session.ts";
import type { DenialCode, Intent, OrderStyle, Side } from "#shared/domain/signal.ts";

/** What a decision is made from. `reserved` is what orders already approved may still take, in quote and base asset. */
export interface DecisionInput {
  intent: Intent;
  /** The mark that the signal saw; all limits are measured at it. */
  mark: Decimal;
  policy: RiskPolicy;
  instrument: Instrument;
  book: Book;
  reserved: { quote: Decimal; base: Decimal };
}

export interface Approval {
  kind: "approved";
  side: Side;
  style: OrderStyle;
  /** In the base asset, a multiple of the size step. */
  size: Decimal;
  reduceOnly: boolean;
  /** What the order may take at most: a buy reserves quote with the taker fee, a sell reserves base. */
  reserve: { quote: Decimal; base: Decimal };
}

export interface Denial {
  kind: "denied";
  code: DenialCode;
  reason: string;
}

/**
 * Sizes an intent and measures it against instrument, policy and balance. Pure and exact. A market order is measured at
 * the mark; a limit order that buys above the mark at its limit. Sizes are rounded down to the step, never up. A share of the
 * equity that the cash does not pay is sized down to what it pays with the fee.
 */
export function decide(input: DecisionInput): Approval | Denial {
  const { intent, instrument } = input;
  if (instrument.status !== "TRADING") return deny("INSTRUMENT_NOT_TRADING", `${instrument.id} is not trading now.`);
  const { style } = intent;
  if (style.type === "LIMIT" && !isMultipleOf(decimal(style.price), rulesOf(instrument).priceStep)) {
    return deny("PRICE_NOT_ON_STEP", `The limit price is not a multiple of the price step ${instrument.priceStep}.`);
  }
  return intent.kind === "exit" ? decideExit(input) : decideEntry(input, intent.side);
}

function decideEntry(input: DecisionInput, side: Side): Approval | Denial {
  if (side === "SELL") return deny("SIDE_NOT_SUPPORTED", "A spot position can not be short.");
  const { policy, instrument, mark, book, reserved, intent } = input;
  const { style } = intent;
  const price = style.type === "LIMIT" ? Decimal.max(mark, style.price) : mark;
  const costOfOne = price.times(rulesOf(instrument).takerCost);
  const available = book.cash.minus(reserved.quote);
  const wanted = entrySize(input, costOfOne);
  const wantedCost = wanted.times(costOfOne);
  // What the policy asks for in sizes is given or denied; of a share, what the cash pays: dust is equity that can not pay.
  const cut = policy.sizing.method === "percent-of-equity" && wantedCost.gt(available);
  const size = cut ? payableSize(available, costOfOne, instrument) : wanted;
  const atMark = size.times(mark);
  const broken = breaksInstrument(size, atMark, instrument);
  if (broken !== null) return cut ? tooDear(wantedCost, available) : broken;
  const notional = price === mark ? atMark : size.times(price);
  if (policy.maxOrderNotional !== null && notional.gt(policy.maxOrderNotional)) {
    return deny("MAX_ORDER_NOTIONAL", `The order of ${plain(notional)} is above the limit ${policy.maxOrderNotional}.`);
  }
  if (policy.maxPositionNotional !== null) {
    const holding = heldOf(book, instrument.id).times(mark).plus(reserved.quote);
    if (holding.plus(notional).gt(policy.maxPositionNotional)) {
      return deny("MAX_POSITION_NOTIONAL", `The position would go above the limit ${policy.maxPositionNotional}.`);
    }
  }
  const cost = cut ? size.times(costOfOne) : wantedCost;
  if (cost.gt(available)) return tooDear(cost, available);
  return { kind: "approved", side, style, size, reduceOnly: false, reserve: { quote: cost, base: ZERO } };
}

/** The largest multiple of the step that the money pays, fee included. */
function payableSize(available: Decimal, costOfOne: Decimal, instrument: Instrument): Decimal {
  if (available.isNegative()) return ZERO;
  const { sizeStep } = rulesOf(instrument);
  return timesWithin(available, costOfOne.times(sizeStep)).times(sizeStep);
}

function tooDear(cost: Decimal, available: Decimal): Denial {
  return deny("INSUFFICIENT_BALANCE", `The order may take ${plain(cost)}, of ${plain(available)} available.`);
}

/** Percent of equity: the largest multiple of the step whose cost, fee included, is within the share. Fixed: floored to the step. */
function entrySize(input: DecisionInput, costOfOne: Decimal): Decimal {
  const { policy, instrument, mark, book } = input;
  const rules = rulesOf(instrument);
  if (policy.sizing.method === "fixed-size") return floorToSizeStep(decimal(policy.sizing.size), rules);
  const equity = book.cash.plus(heldOf(book, instrument.id).times(mark));
  if (equity.isNegative()) return ZERO;
  // Both sides times 100, so that nothing is divided but once.
  const hundredfold = equity.times(policy.sizing.percent);
  return timesWithin(hundredfold, costOfOne.times(rules.hundredSteps)).times(rules.sizeStep);
}

function decideExit(input: DecisionInput): Approval | Denial {
  const { instrument, mark, book, reserved, intent } = input;
  const held = heldOf(book, instrument.id).minus(reserved.base);
  if (held.lte(0)) return deny("NO_POSITION", "There is nothing to close that is not already being closed.");
  const size = floorToSizeStep(held, rulesOf(instrument));
  const broken = breaksInstrument(size, size.times(mark), instrument);
  if (broken !== null) return broken;
  const reserve = { quote: ZERO, base: size };
  return { kind: "approved", side: "SELL", style: intent.style, size, reduceOnly: true, reserve };
}

/** The instrument's own limits; `notional` is the size at the mark. */
function breaksInstrument(size: Decimal, notional: Decimal, instrument: Instrument): Denial | null {
  const { minSize, maxSize, minNotional, maxNotional } = rulesOf(instrument);
  if (size.isZero() || size.lt(minSize)) {
    return deny("SIZE_BELOW_MINIMUM", `The size ${plain(size)} is below the minimum ${instrument.minSize}.`);
  }
  if (maxSize !== null && size.gt(maxSize)) {
    return deny("SIZE_ABOVE_MAXIMUM", `The size ${plain(size)} is above the maximum ${instrument.maxSize}.`);
  }
  if (notional.lt(minNotional)) {
    return deny(
      "NOTIONAL_BELOW_MINIMUM",
      `The notional ${plain(notional)} is below the minimum ${instrument.minNotional}.`,
    );
  }
  if (maxNotional !== null && notional.gt(maxNotional)) {
    return deny(
      "NOTIONAL_ABOVE_MAXIMUM",
      `The notional ${plain(notional)} is above the maximum ${instrument.maxNotional}.`,
    );
  }
  return null;
}

function deny(code: DenialCode, reason: string): Denial {
  return { kind: "denied", code, reason };
}

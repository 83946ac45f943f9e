import { type Book, heldOf } from "#shared/accounting/book.ts";
import { Decimal, decimal, isMultipleOf, plain, timesWithin, ZERO } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { floorToSizeStep, rulesOf, type SizeLimits, sizeLimitsOf } from "#shared/domain/instrument-rules.ts";
import type { RiskPolicy } from "#shared/domain/session.ts";
import type { DenialCode, Intent, OrderStyle, Side } from "#shared/domain/signal.ts";
import { exitParts, isWithinMaximum } from "./exit-parts.ts";

/** What a decision is made from. `reserved` is what orders already approved may still take, in quote and base asset. */
export interface DecisionInput {
  intent: Intent;
  /** The mark that the signal saw; all limits are measured at it. */
  mark: Decimal;
  policy: RiskPolicy;
  instrument: Instrument;
  book: Book;
  reserved: { quote: Decimal; base: Decimal };
  /** How often in a row the venue has refused an exit of the session. */
  refusals?: number;
}

export interface ApprovedOrder {
  /** In the base asset, a multiple of the size step. */
  size: Decimal;
  /** What the order may take at most: a buy reserves quote with the taker fee, a sell reserves base. */
  reserve: { quote: Decimal; base: Decimal };
}

export interface Approval {
  kind: "approved";
  side: Side;
  style: OrderStyle;
  reduceOnly: boolean;
  /** One, but for an exit that is too large for one order. */
  orders: readonly ApprovedOrder[];
}

export interface Denial {
  kind: "denied";
  code: DenialCode;
  reason: string;
}

/**
 * Sizes an intent and measures it against instrument, policy and balance. Pure and exact. A market order is measured at the
 * mark; a limit order by the venue's rules at its limit, and one that buys above the mark also by the policy's. Sizes are
 * rounded down to the step, never up. A share of the equity that the cash does not pay is sized down to what it pays with
 * the fee. An exit is never too large: it becomes as many orders as the venue's maximums ask for.
 */
export function decide(input: DecisionInput): Approval | Denial {
  const { intent, instrument } = input;
  if (instrument.status !== "TRADING") {
    const why = instrument.status === "GONE" ? "is not listed by its venue any more" : "is not trading now";
    return deny("INSTRUMENT_NOT_TRADING", `${instrument.id} ${why}.`);
  }
  if (intent.style.type === "LIMIT") {
    const broken = breaksPrice(decimal(intent.style.price), input);
    if (broken !== null) return broken;
  }
  return intent.kind === "exit" ? decideExit(input) : decideEntry(input, intent.side);
}

/** The venue's rules of a limit price: its step, and its distance from the average price, for which the mark stands. */
function breaksPrice(price: Decimal, { intent, instrument, mark }: DecisionInput): Denial | null {
  if (!isMultipleOf(price, rulesOf(instrument).priceStep)) {
    return deny("PRICE_NOT_ON_STEP", `The limit price is not a multiple of the price step ${instrument.priceStep}.`);
  }
  const { priceBand } = instrument;
  if (priceBand === null) return null;
  const buys = intent.kind === "enter" && intent.side === "BUY";
  const [up, down] = buys ? [priceBand.bidUp, priceBand.bidDown] : [priceBand.askUp, priceBand.askDown];
  if (price.lte(mark.times(up)) && price.gte(mark.times(down))) return null;
  return deny("PRICE_TOO_FAR", `The limit price is not between ${down} and ${up} times the mark ${plain(mark)}.`);
}

function decideEntry(input: DecisionInput, side: Side): Approval | Denial {
  if (side === "SELL") return deny("SIDE_NOT_SUPPORTED", "A spot position can not be short.");
  const { policy, instrument, mark, book, reserved, intent } = input;
  const { style } = intent;
  const limits = sizeLimitsOf(instrument, style.type);
  const price = style.type === "LIMIT" ? Decimal.max(mark, style.price) : mark;
  const costOfOne = price.times(rulesOf(instrument).takerCost);
  const available = book.cash.minus(reserved.quote);
  const wanted = entrySize(input, costOfOne, limits);
  const wantedCost = wanted.times(costOfOne);
  // What the policy asks for in sizes is given or denied; of a share, what the cash pays: dust is equity that can not pay.
  const cut = policy.sizing.method === "percent-of-equity" && wantedCost.gt(available);
  const size = cut ? payableSize(available, costOfOne, limits) : wanted;
  const notional = size.times(price);
  const atVenue = style.type === "LIMIT" ? size.times(style.price) : notional;
  const broken = belowMinimum(size, atVenue, limits) ?? aboveMaximum(size, atVenue, limits);
  if (broken !== null) return cut ? tooDear(wantedCost, available) : broken;
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
  return { kind: "approved", side, style, reduceOnly: false, orders: [{ size, reserve: { quote: cost, base: ZERO } }] };
}

/** The largest multiple of the step that the money pays, fee included. */
function payableSize(available: Decimal, costOfOne: Decimal, { sizeStep }: SizeLimits): Decimal {
  if (available.isNegative()) return ZERO;
  return timesWithin(available, costOfOne.times(sizeStep)).times(sizeStep);
}

function tooDear(cost: Decimal, available: Decimal): Denial {
  return deny("INSUFFICIENT_BALANCE", `The order may take ${plain(cost)}, of ${plain(available)} available.`);
}

/** Percent of equity: the largest multiple of the step whose cost, fee included, is within the share. Fixed: floored to the step. */
function entrySize(input: DecisionInput, costOfOne: Decimal, limits: SizeLimits): Decimal {
  const { policy, instrument, mark, book } = input;
  if (policy.sizing.method === "fixed-size") return floorToSizeStep(decimal(policy.sizing.size), limits);
  const equity = book.cash.plus(heldOf(book, instrument.id).times(mark));
  if (equity.isNegative()) return ZERO;
  // Both sides times 100, so that nothing is divided but once.
  const hundredfold = equity.times(policy.sizing.percent);
  return timesWithin(hundredfold, costOfOne.times(limits.hundredSteps)).times(limits.sizeStep);
}

function decideExit(input: DecisionInput): Approval | Denial {
  const { instrument, mark, book, reserved, intent, refusals = 0 } = input;
  const held = heldOf(book, instrument.id).minus(reserved.base);
  if (held.lte(0)) return deny("NO_POSITION", "There is nothing to close that is not already being closed.");
  const { style } = intent;
  const limits = cautious(sizeLimitsOf(instrument, style.type), refusals);
  const size = floorToSizeStep(held, limits);
  const price = style.type === "LIMIT" ? decimal(style.price) : mark;
  const atVenue = size.times(price);
  const small = belowMinimum(size, atVenue, limits);
  if (small !== null) return small;
  const approval = { kind: "approved", side: "SELL", style, reduceOnly: true } as const;
  if (isWithinMaximum(size, atVenue, limits)) return { ...approval, orders: [closing(size)] };
  const parts = exitParts(size, { price, limits, mostOrders: instrument.maxOpenOrders });
  // There are no parts where the instrument's largest order is below its smallest one.
  const large = parts.length > 0 ? null : aboveMaximum(size, atVenue, limits);
  return large ?? { ...approval, orders: parts.map(closing) };
}

/** An eighth of the maximum is what an order may have after as many refusals, or more. */
const MOST_HALVINGS = 3;

/**
 * A venue measures the notional of a market order at an average of its own, that a falling market leaves behind: what is within
 * the maximum at the mark may be above it there. Each refusal halves what one order may have, as far as the minimum allows.
 */
function cautious(limits: SizeLimits, refusals: number): SizeLimits {
  const { maxNotional, minNotional } = limits;
  if (maxNotional === null || refusals === 0) return limits;
  const halved = maxNotional.div(2 ** Math.min(refusals, MOST_HALVINGS));
  return { ...limits, maxNotional: Decimal.max(halved, Decimal.min(maxNotional, minNotional.times(2))) };
}

function closing(size: Decimal): ApprovedOrder {
  return { size, reserve: { quote: ZERO, base: size } };
}

function belowMinimum(size: Decimal, notional: Decimal, { minSize, minNotional }: SizeLimits): Denial | null {
  if (size.isZero() || size.lt(minSize)) {
    return deny("SIZE_BELOW_MINIMUM", `The size ${plain(size)} is below the minimum ${plain(minSize)}.`);
  }
  if (notional.lt(minNotional)) {
    const message = `The notional ${plain(notional)} is below the minimum ${plain(minNotional)}.`;
    return deny("NOTIONAL_BELOW_MINIMUM", message);
  }
  return null;
}

function aboveMaximum(size: Decimal, notional: Decimal, { maxSize, maxNotional }: SizeLimits): Denial | null {
  if (maxSize !== null && size.gt(maxSize)) {
    return deny("SIZE_ABOVE_MAXIMUM", `The size ${plain(size)} is above the maximum ${plain(maxSize)}.`);
  }
  if (maxNotional === null || notional.lte(maxNotional)) return null;
  return deny("NOTIONAL_ABOVE_MAXIMUM", `The notional ${plain(notional)} is above the maximum ${plain(maxNotional)}.`);
}

function deny(code: DenialCode, reason: string): Denial {
  return { kind: "denied", code, reason };
}

import { timeFrameFault } from "#shared/candles/time-frame-fault.ts";
import { decimal, isMultipleOf, plain } from "#shared/domain/decimal.ts";
import type { Instrument } from "#shared/domain/instrument.ts";
import { rulesOf } from "#shared/domain/instrument-rules.ts";
import type { RiskPolicy } from "#shared/domain/session.ts";
import type { TimeFrame } from "#shared/domain/time-frame.ts";
import type { FieldError } from "#shared/errors/field-error.ts";

const UNKNOWN = "is unknown to every venue: GET /api/market-data/instruments lists those there are";

/** What a session and a backtest both ask for, on an instrument as its venue has it (null: no venue knows it). */
export interface TradingRequest {
  instrument: Instrument | null;
  timeFrame: TimeFrame;
  riskPolicy: RiskPolicy;
}

/**
 * Every field of a request that cannot be traded as it stands, so that a session and a backtest refuse the same: what its
 * instrument or its venue lacks, and what every decision would deny. `field` is where the request names the instrument.
 */
export function faultsOfRequest({ instrument, timeFrame, riskPolicy }: TradingRequest, field: string): FieldError[] {
  const faults = instrument === null ? [{ field, message: UNKNOWN }] : [];
  const noBars = instrument === null ? null : timeFrameFault(instrument, timeFrame);
  if (noBars !== null) faults.push({ field: "timeFrame", message: noBars });
  const add = (name: string, message: string | null) => {
    if (message !== null) faults.push({ field: `riskPolicy.${name}`, message });
  };
  const { sizing } = riskPolicy;
  // More than the whole equity can never be bought.
  if (sizing.method === "percent-of-equity")
    add("sizing.percent", decimal(sizing.percent).gt(100) ? "must be 100 at most" : null);
  if (instrument === null) return faults;
  if (sizing.method === "fixed-size") add("sizing.size", sizeFault(sizing.size, instrument));
  for (const name of ["maxOrderNotional", "maxPositionNotional"] as const) {
    const { [name]: most } = riskPolicy;
    const { minNotional } = rulesOf(instrument).market;
    const tooSmall = most !== null && minNotional.gt(most);
    add(name, tooSmall ? `must not be below the instrument's least notional ${plain(minNotional)}` : null);
  }
  return faults;
}

function sizeFault(text: string, instrument: Instrument): string | null {
  // Strategies order at market.
  const { sizeStep, minSize, maxSize } = rulesOf(instrument).market;
  const size = decimal(text);
  if (!isMultipleOf(size, sizeStep)) return `must be a multiple of the instrument's size step ${plain(sizeStep)}`;
  if (size.lt(minSize)) return `must not be below the instrument's least size ${plain(minSize)}`;
  if (maxSize === null || size.lte(maxSize)) return null;
  return `must not be above the instrument's largest size ${plain(maxSize)}`;
}

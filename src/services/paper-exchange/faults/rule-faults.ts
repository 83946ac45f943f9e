import { z } from "zod";
import { decimal } from "#shared/domain/decimal.ts";
import { decimalText, nonNegativeDecimal, positiveDecimal } from "#shared/domain/schemas.ts";
import { defineFault, needsOneOf } from "./fault.ts";

const share = decimalText.refine((text) => decimal(text).abs().lte(1), "must be from -1 to 1");

/** Faults that change the venue's rules in mid-session. They change what it executes. */
export const RULE_FAULTS = [
  needsOneOf(
    defineFault(
      "filters-changed",
      "the symbol has other filters",
      {
        sizeStep: positiveDecimal.optional(),
        minSize: positiveDecimal.optional(),
        maxSize: positiveDecimal.optional(),
        minNotional: nonNegativeDecimal.optional(),
      },
      ({ sizeStep, minSize, maxSize, minNotional }, { strikes }) => {
        if (!strikes()) return {};
        return {
          rules: (instrument) => ({
            ...instrument,
            ...(sizeStep === undefined ? {} : { sizeStep }),
            ...(minSize === undefined ? {} : { minSize }),
            ...(maxSize === undefined ? {} : { maxSize }),
            ...(minNotional === undefined ? {} : { minNotional }),
          }),
        };
      },
    ),
    ["sizeStep", "minSize", "maxSize", "minNotional"],
  ),
  defineFault(
    "commission",
    "executions pay another commission: a share that may be negative (a rebate), in another asset where one is named",
    { share, asset: z.string().min(1).max(20).optional().describe("What it is taken in; default: what is received") },
    ({ share: paid, asset }, { strikes }) => ({
      commission: (fill) => (strikes() ? { share: paid, asset: asset ?? fill.feeAsset } : null),
    }),
  ),
  defineFault(
    "ids-begin-anew",
    "orders, fills and public trades are gone and their ids begin at 1 again, as after a reset of a test network",
    {},
    (_of, { market, strikes }) => {
      if (strikes()) market.beginIdsAnew();
      return {};
    },
  ),
] as const;

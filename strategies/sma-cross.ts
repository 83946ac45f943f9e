import { z } from "zod";
import { isAbove } from "#shared/indicators/compare.ts";
import type { IndicatorSnapshot } from "#shared/indicators/indicator.ts";
import { createSma } from "#shared/indicators/sma.ts";
import { defineStrategy } from "#shared/strategy/strategy.ts";

const length = z.number().int().min(1).max(1_000);

/**
 * Follows the trend of the closes: after each closed bar a fast average above the slow one (by more than
 * float64 rounding, see `isAbove`) wants long, else flat. It wants nothing before bar `slow`. It asks for no warm-up: its first averages come from the bars of the session itself.
 */
export const smaCross = defineStrategy({
  name: "sma-cross",
  version: "1.0.0",
  description: "Long while the fast simple average of the closes is above the slow one, else flat.",
  params: z
    .strictObject({
      fast: length.default(10).describe("Bars in the fast average"),
      slow: length.default(30).describe("Bars in the slow average"),
    })
    .refine(({ fast, slow }) => fast < slow, { path: ["fast"], message: "must be below slow" }),
  warmupBars: () => 0,
  forming: false,
  create({ fast, slow }) {
    const fastAverage = createSma(fast);
    const slowAverage = createSma(slow);
    return {
      onBar(bar, context) {
        const quick = fastAverage.update(bar.close);
        const steady = slowAverage.update(bar.close);
        if (Number.isNaN(steady)) return;
        if (isAbove(quick, steady)) context.wantLong();
        else context.wantFlat();
      },
      snapshot: () => ({ fast: fastAverage.snapshot(), slow: slowAverage.snapshot() }),
      restore(snapshot) {
        const saved = snapshot as { fast: IndicatorSnapshot; slow: IndicatorSnapshot };
        fastAverage.restore(saved.fast);
        slowAverage.restore(saved.slow);
      },
    };
  },
});

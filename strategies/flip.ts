import { z } from "zod";
import { defineStrategy } from "#shared/strategy/strategy.ts";

/**
 * Turns its position around at each bar, closed or forming, unless an order is on its way: one order a tick, to measure
 * how long an order takes. It remembers nothing.
 */
export const flip = defineStrategy({
  name: "flip",
  version: "1.0.0",
  description: "Long and flat in turn, at each bar and each tick. For measurements, not for money.",
  params: z.strictObject({}),
  warmupBars: () => 0,
  forming: true,
  create: () => ({
    onBar(_bar, context) {
      if (context.busy) return;
      if (context.position === "flat") context.wantLong();
      else context.wantFlat();
    },
    snapshot: () => null,
    restore() {},
  }),
});

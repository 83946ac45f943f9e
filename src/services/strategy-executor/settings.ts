import { z } from "zod";
import { wholeNumber } from "#shared/config/values.ts";

export const settings = z.object({
  R3_STRATEGY_EXECUTOR_BATCH: wholeNumber(1, 1_000)
    .default(200)
    .describe("Candles that wait and are worked in one transaction at most"),
  R3_STRATEGY_EXECUTOR_RETRY_MS: wholeNumber(1, 60_000)
    .default(100)
    .describe("First pause after a failure, in milliseconds; it doubles up to 50 times that"),
});
export type Settings = z.infer<typeof settings>;

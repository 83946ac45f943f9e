import { z } from "zod";
import { wholeNumber } from "#shared/config/values.ts";

/** What data-collect can be told. */
export const dataCollectSettings = z.object({
  R3_DATA_COLLECT_REPEAT_MS: wholeNumber(100, 60_000)
    .default(1_000)
    .describe("How often the newest closed bar of each series is repeated, in milliseconds"),
  R3_DATA_COLLECT_INSTRUMENTS_AGE_MS: wholeNumber(1_000, 86_400_000)
    .default(3_600_000)
    .describe("How old a venue's list of instruments may be before it is asked again, in milliseconds"),
});
export type DataCollectSettings = z.infer<typeof dataCollectSettings>;

import { z } from "zod";
import { wholeNumber } from "#shared/config/values.ts";

/** What data-collect can be told. */
export const dataCollectSettings = z.object({
  R3_DATA_COLLECT_REPEAT_MS: wholeNumber(100, 60_000)
    .default(1_000)
    .describe("How often the newest closed bar of each series is repeated, in milliseconds"),
  R3_DATA_COLLECT_INSTRUMENTS_AGE_MS: wholeNumber(1_000, 86_400_000)
    .default(60_000)
    .describe("How old a venue's list of instruments may be before it is asked again, in milliseconds"),
  R3_DATA_COLLECT_STALE_AFTER_MS: wholeNumber(100, 600_000)
    .default(2_000)
    .describe(
      "How long a bar that is due, or in a replay any frame, may stay away before the venue is asked, in milliseconds",
    ),
});
export type DataCollectSettings = z.infer<typeof dataCollectSettings>;

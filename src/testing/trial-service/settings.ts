import { z } from "zod";
import { positiveDecimal } from "#shared/domain/schemas.ts";

/** What this service can be told. */
export const trialSettings = z.object({
  R3_TRIAL_LARGE_SIZE: positiveDecimal
    .default("100")
    .describe("Size above which a position is told of, in the base asset"),
});
export type TrialSettings = z.infer<typeof trialSettings>;

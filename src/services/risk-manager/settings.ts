import { z } from "zod";
import { wholeNumber } from "#shared/config/values.ts";

/** What risk-manager can be told. */
export const riskManagerSettings = z.object({
  R3_RISK_MANAGER_CONCURRENCY: wholeNumber(1, 256)
    .default(8)
    .describe("How many sessions are decided for at once in this process"),
});
export type RiskManagerSettings = z.infer<typeof riskManagerSettings>;
